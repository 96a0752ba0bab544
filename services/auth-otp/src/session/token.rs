//! Refresh tokens: HMAC(server key, family, generation), so that a retry brings the same successor and the database
//! holds hashes only (decisions.md 6).

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use service_auth::tokens::{ct_eq, hmac_sha256};
use sha2::{Digest, Sha256};
use uuid::Uuid;

/// The first part of every refresh token.
const PREFIX: &str = "rt1";

/// What a genuine refresh token says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RefreshToken {
    /// The session.
    pub family: Uuid,
    /// The generation, from 0.
    pub generation: i32,
}

impl RefreshToken {
    /// The token's text under the server key.
    #[must_use]
    pub fn write(self, key: &[u8]) -> String {
        let family = URL_SAFE_NO_PAD.encode(self.family.as_bytes());
        format!(
            "{PREFIX}.{family}.{}.{}",
            self.generation,
            URL_SAFE_NO_PAD.encode(self.mac(key))
        )
    }

    /// Reads a text; `None` unless it was written under this key.
    #[must_use]
    pub fn read(key: &[u8], text: &str) -> Option<Self> {
        let mut parts = text.split('.');
        let (Some(PREFIX), Some(family), Some(generation), Some(mac), None) = (
            parts.next(),
            parts.next(),
            parts.next(),
            parts.next(),
            parts.next(),
        ) else {
            return None;
        };
        let family = Uuid::from_slice(&URL_SAFE_NO_PAD.decode(family).ok()?).ok()?;
        let token = Self {
            family,
            generation: generation.parse().ok()?,
        };
        let given = URL_SAFE_NO_PAD.decode(mac).ok()?;
        (ct_eq(&token.mac(key), &given) && token.write(key) == text).then_some(token)
    }

    /// The generation after this one.
    #[must_use]
    pub fn next(self) -> Self {
        Self {
            generation: self.generation.saturating_add(1),
            ..self
        }
    }

    fn mac(self, key: &[u8]) -> [u8; 32] {
        hmac_sha256(
            key,
            &[
                b"tabib.refresh.v1",
                self.family.as_bytes(),
                &self.generation.to_be_bytes(),
            ],
        )
    }
}

/// The stored form of a token.
#[must_use]
pub fn hash(text: &str) -> Vec<u8> {
    Sha256::digest(text.as_bytes()).to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn round_trip_and_only_under_its_key(family in any::<u128>(), generation in 0..i32::MAX, key in any::<[u8; 32]>()) {
            let token = RefreshToken { family: Uuid::from_u128(family), generation };
            let text = token.write(&key);
            prop_assert_eq!(RefreshToken::read(&key, &text), Some(token));
            prop_assert_eq!(RefreshToken::read(b"another", &text), None);
            prop_assert_ne!(token.next().write(&key), text.clone());
            let raised = text.replacen(&format!(".{generation}."), &format!(".{}.", u32::try_from(generation).unwrap() + 1), 1);
            prop_assert_eq!(RefreshToken::read(&key, &raised), None);
            let padded = text.replacen(&format!(".{generation}."), &format!(".0{generation}."), 1);
            prop_assert_eq!(RefreshToken::read(&key, &padded), None);
        }
        #[test]
        fn junk_is_no_token(text in "\\PC{0,120}") {
            prop_assert_eq!(RefreshToken::read(b"key", &text), None);
        }
    }
}
