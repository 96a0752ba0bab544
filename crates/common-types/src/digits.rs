//! Persian, Arabic and full-width digits to ASCII: people type codes and phone numbers with the keyboard they have.

/// `text` with every Persian (۰-۹), Arabic-Indic (٠-٩) and full-width (０-９) digit replaced by its ASCII digit.
/// All other characters stay as they are.
#[must_use]
pub fn to_ascii(text: &str) -> String {
    text.chars().map(ascii_digit).collect()
}

/// The ASCII digit for `c` when it is a Persian, Arabic-Indic or full-width digit, else `c` itself.
#[must_use]
pub fn ascii_digit(c: char) -> char {
    let code = u32::from(c);
    let offset = match code {
        0x06F0..=0x06F9 => code - 0x06F0,
        0x0660..=0x0669 => code - 0x0660,
        0xFF10..=0xFF19 => code - 0xFF10,
        _ => return c,
    };
    char::from_digit(offset, 10).unwrap_or(c)
}

/// True for invisible direction marks and joiners that keyboards and copied text leave inside numbers
/// (zero-width space to RLM, bidi embeddings and isolates, word joiner, byte-order mark, Arabic letter mark).
#[must_use]
pub fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{2069}' | '\u{FEFF}' | '\u{061C}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn all_three_scripts_become_ascii() {
        assert_eq!(to_ascii("۰۱۲۳۴۵۶۷۸۹"), "0123456789");
        assert_eq!(to_ascii("٠١٢٣٤٥٦٧٨٩"), "0123456789");
        assert_eq!(to_ascii("０１２３４５６７８９"), "0123456789");
        assert_eq!(to_ascii("کد ۱۲a"), "کد 12a");
    }

    proptest! {
        #[test]
        fn is_idempotent_and_keeps_the_number_of_characters(text in any::<String>()) {
            let once = to_ascii(&text);
            prop_assert_eq!(to_ascii(&once), once.clone());
            prop_assert_eq!(once.chars().count(), text.chars().count());
        }

        #[test]
        fn ascii_is_untouched(text in "[ -~]*") {
            prop_assert_eq!(to_ascii(&text), text);
        }
    }
}
