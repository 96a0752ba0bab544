//! Keys and passwords as values: how they look, how they are made and compared.

use service_auth::tokens::{hmac_sha256, random_from};
use zeroize::Zeroizing;

/// R02's letters and digits without O, 0, I, 1: printed keys are typed by hand.
const KEY_ALPHABET: &[u8] = b"ABCDEFGHJKLMNPQRSTUVWXYZ23456789";
/// Lower case without o, 0, i, l, 1.
const PASSWORD_ALPHABET: &[u8] = b"abcdefghjkmnpqrstuvwxyz23456789";
const KEY_LENGTH: usize = 12;
const PASSWORD_LENGTH: usize = 8;

/// An access key in canonical form: upper case, no separators.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct AccessKey(Zeroizing<String>);

impl std::fmt::Debug for AccessKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AccessKey(***)")
    }
}

impl AccessKey {
    /// A new one, cryptographically random.
    pub(crate) fn generate() -> Self {
        Self(Zeroizing::new(random_from(KEY_ALPHABET, KEY_LENGTH)))
    }

    /// Whatever a person typed, in canonical form; it need not exist.
    pub(crate) fn typed(text: &str) -> Self {
        let ascii = common_types::digits::to_ascii(text);
        Self(Zeroizing::new(
            ascii
                .chars()
                .filter(|c| !c.is_whitespace() && !matches!(c, '-' | '\u{200e}' | '\u{200f}'))
                .flat_map(char::to_uppercase)
                .collect(),
        ))
    }

    pub(crate) fn expose(&self) -> &str {
        &self.0
    }

    /// What the row is found by: the database alone tells nobody's key.
    pub(crate) fn lookup(&self, secret: &[u8]) -> [u8; 32] {
        hmac_sha256(secret, &[b"portal.access_key", self.0.as_bytes()])
    }
}

/// A portal password in canonical form: lower case.
#[derive(Clone)]
pub(crate) struct Password(Zeroizing<String>);

impl std::fmt::Debug for Password {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Password(***)")
    }
}

impl Password {
    pub(crate) fn generate() -> Self {
        Self(Zeroizing::new(random_from(
            PASSWORD_ALPHABET,
            PASSWORD_LENGTH,
        )))
    }

    pub(crate) fn typed(text: &str) -> Self {
        let ascii = common_types::digits::to_ascii(text.trim());
        Self(Zeroizing::new(ascii.to_lowercase()))
    }

    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn r02_keys_have_twelve_and_passwords_eight_unmistakable_signs() {
        let mut seen = HashSet::new();
        for _ in 0..2_000 {
            let (key, password) = (AccessKey::generate(), Password::generate());
            assert_eq!(key.expose().len(), 12);
            assert_eq!(password.expose().len(), 8);
            assert!(
                key.expose()
                    .bytes()
                    .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
            );
            assert!(
                password
                    .expose()
                    .bytes()
                    .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
            );
            assert!(!key.expose().contains(['O', '0', 'I', '1']));
            assert!(!password.expose().contains(['0', '1', 'l', 'o', 'i']));
            assert!(seen.insert(key.expose().to_owned()));
        }
    }

    #[test]
    fn r03_spelling_does_not_matter() {
        assert_eq!(
            AccessKey::typed(" abc2-3def 45gh ").expose(),
            "ABC23DEF45GH"
        );
        assert_eq!(AccessKey::typed("ABC۲۳DEF۴۵GH").expose(), "ABC23DEF45GH");
        assert_eq!(Password::typed(" ABC23de4 ").expose(), "abc23de4");
        let secret = [7_u8; 32];
        assert_eq!(
            AccessKey::typed("abc").lookup(&secret),
            AccessKey::typed("ABC").lookup(&secret)
        );
        assert_ne!(
            AccessKey::typed("abc").lookup(&secret),
            AccessKey::typed("abd").lookup(&secret)
        );
    }

    #[test]
    fn debug_shows_nothing() {
        let key = AccessKey::generate();
        assert!(!format!("{key:?} {:?}", Password::generate()).contains(key.expose()));
    }
}
