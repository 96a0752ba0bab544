//! Masks.

/// First four, stars, last four; all stars when that would show more than it hides.
pub(crate) fn mask(value: &str) -> String {
    let characters: Vec<char> = value.chars().collect();
    if characters.len() <= 8 {
        return "*".repeat(characters.len());
    }
    let stars = "*".repeat((characters.len() - 8).min(32));
    let start: String = characters[..4].iter().collect();
    let end: String = characters[characters.len() - 4..].iter().collect();
    format!("{start}{stars}{end}")
}

#[cfg(test)]
mod tests {
    use super::mask;

    #[test]
    fn i22_masks_show_four_and_four() {
        assert_eq!(mask("abcd1234ijkl"), "abcd****ijkl");
        assert_eq!(mask("12345678"), "********");
        assert_eq!(mask(""), "");
        assert_eq!(mask("رمزبسیارطولانی"), "رمزب******لانی");
    }
}
