//! Values encrypted at rest: XChaCha20-Poly1305, bound to the place where they are stored.
//!
//! The associated data names service, table, row and column, so a ciphertext copied to another row or column
//! does not open. The key's id is in the text, so keys rotate while old values still open.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chacha20poly1305::aead::{Aead, Generate, Nonce, Payload};
use chacha20poly1305::{KeyInit, XChaCha20Poly1305};
use service_config::SealingSettings;
use uuid::Uuid;
use zeroize::Zeroizing;

/// The text's first member.
const VERSION: &str = "v1";
/// XChaCha20's nonce, in bytes.
const NONCE_BYTES: usize = 24;

/// Where a sealed value lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SealContext<'a> {
    /// The owning service, e.g. `auth-otp`.
    pub service: &'a str,
    /// The table.
    pub table: &'a str,
    /// The row's id.
    pub row: Uuid,
    /// The column.
    pub column: &'a str,
}

/// A value that could not be sealed or opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// Settings without a usable active key.
    #[error("bad sealing key: {0}")]
    BadKey(String),
    /// The active key is not among the keys.
    #[error("the active sealing key {0:?} is not in the list")]
    NoActiveKey(String),
    /// The text is not `v1.<kid>.<base64>`.
    #[error("not a sealed value")]
    Malformed,
    /// No key of that id is known here.
    #[error("sealed under the unknown key {0:?}")]
    UnknownKey(String),
    /// Changed, or moved from another place.
    #[error("the sealed value does not belong here or was changed")]
    Refused,
}

/// Seals and opens values; cheap to clone.
#[derive(Clone)]
pub struct Sealer {
    active: Arc<str>,
    ciphers: Arc<BTreeMap<String, XChaCha20Poly1305>>,
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sealer")
            .field("active", &self.active)
            .field("keys", &self.ciphers.len())
            .finish()
    }
}

impl Sealer {
    /// A sealer from keys of 32 bytes, one of them active.
    ///
    /// # Errors
    /// When an id holds a dot or the active key is missing.
    pub fn new<'k>(
        active: &str,
        keys: impl IntoIterator<Item = (&'k str, [u8; 32])>,
    ) -> Result<Self, SealError> {
        let mut ciphers = BTreeMap::new();
        for (id, key) in keys {
            if id.is_empty() || id.contains('.') {
                return Err(SealError::BadKey(id.to_owned()));
            }
            let key = Zeroizing::new(key);
            ciphers.insert(id.to_owned(), XChaCha20Poly1305::new((&*key).into()));
        }
        if !ciphers.contains_key(active) {
            return Err(SealError::NoActiveKey(active.to_owned()));
        }
        Ok(Self {
            active: active.into(),
            ciphers: Arc::new(ciphers),
        })
    }

    /// A sealer from the settings section `sealing`.
    ///
    /// # Errors
    /// When a key is not 32 bytes of base64 or the active one is missing.
    pub fn from_settings(settings: &SealingSettings) -> Result<Self, SealError> {
        let keys = settings.raw_keys().map_err(SealError::BadKey)?;
        Self::new(
            &settings.active_key_id,
            keys.iter().map(|(id, key)| (id.as_str(), *key)),
        )
    }

    /// The id of the key that seals new values.
    #[must_use]
    pub fn active_key_id(&self) -> &str {
        &self.active
    }

    /// Seals under the active key: `v1.<key id>.<base64url of nonce and ciphertext>`.
    ///
    /// # Panics
    /// Never for values below 256 GB, XChaCha20's limit.
    #[must_use]
    pub fn seal(&self, context: &SealContext<'_>, value: &[u8]) -> String {
        let cipher = &self.ciphers[&*self.active];
        let nonce = Nonce::<XChaCha20Poly1305>::generate();
        let aad = associated_data(&self.active, context);
        let sealed = cipher
            .encrypt(
                &nonce,
                Payload {
                    msg: value,
                    aad: &aad,
                },
            )
            .expect("XChaCha20-Poly1305 encrypts anything that fits in memory");
        let mut bytes = nonce.to_vec();
        bytes.extend(sealed);
        format!(
            "{VERSION}.{}.{}",
            self.active,
            URL_SAFE_NO_PAD.encode(bytes)
        )
    }

    /// Opens what [`Sealer::seal`] made for the same place.
    ///
    /// # Errors
    /// When the text is not a sealed value, its key is unknown, or it was changed or moved.
    pub fn open(
        &self,
        context: &SealContext<'_>,
        sealed: &str,
    ) -> Result<Zeroizing<Vec<u8>>, SealError> {
        let mut parts = sealed.split('.');
        let (Some(VERSION), Some(key_id), Some(body), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(SealError::Malformed);
        };
        let cipher = self
            .ciphers
            .get(key_id)
            .ok_or_else(|| SealError::UnknownKey(key_id.to_owned()))?;
        let bytes = URL_SAFE_NO_PAD
            .decode(body)
            .map_err(|_| SealError::Malformed)?;
        let (nonce, ciphertext) = bytes
            .split_at_checked(NONCE_BYTES)
            .ok_or(SealError::Malformed)?;
        let nonce: &Nonce<XChaCha20Poly1305> =
            nonce.try_into().map_err(|_| SealError::Malformed)?;
        let aad = associated_data(key_id, context);
        cipher
            .decrypt(
                nonce,
                Payload {
                    msg: ciphertext,
                    aad: &aad,
                },
            )
            .map(Zeroizing::new)
            .map_err(|_| SealError::Refused)
    }

    /// Whether a value was sealed under an older key and should be sealed again.
    #[must_use]
    pub fn is_outdated(&self, sealed: &str) -> bool {
        sealed.split('.').nth(1) != Some(&*self.active)
    }
}

/// Every part with its length before it, so that no two places share one encoding.
fn associated_data(key_id: &str, context: &SealContext<'_>) -> Vec<u8> {
    let mut data = Vec::with_capacity(128);
    let row = context.row.as_bytes();
    let parts: [&[u8]; 6] = [
        b"tabib.sealed.v1",
        key_id.as_bytes(),
        context.service.as_bytes(),
        context.table.as_bytes(),
        row,
        context.column.as_bytes(),
    ];
    for part in parts {
        data.extend_from_slice(&(part.len() as u64).to_be_bytes());
        data.extend_from_slice(part);
    }
    data
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashSet;

    fn place() -> SealContext<'static> {
        SealContext {
            service: "auth-otp",
            table: "signing_keys",
            row: Uuid::from_u128(7),
            column: "private_key",
        }
    }

    fn sealer() -> Sealer {
        Sealer::new("b", [("a", [1; 32]), ("b", [2; 32])]).unwrap()
    }

    proptest! {
        #[test]
        fn round_trip(value in prop::collection::vec(any::<u8>(), 0..300)) {
            let sealed = sealer().seal(&place(), &value);
            let opened = sealer().open(&place(), &sealed).unwrap();
            prop_assert_eq!(opened.as_slice(), value.as_slice());
        }
        #[test]
        fn one_changed_character_is_refused(at in 0_usize..60, with in "[A-Za-z0-9_-]") {
            let mut sealed = sealer().seal(&place(), b"a secret of some length, forty bytes or so");
            let at = 5 + at;
            prop_assume!(sealed[at..=at] != with);
            sealed.replace_range(at..=at, &with);
            prop_assert!(sealer().open(&place(), &sealed).is_err());
        }
        #[test]
        fn junk_is_refused(text in "\\PC{0,60}") {
            prop_assert!(sealer().open(&place(), &text).is_err());
        }
    }

    #[test]
    fn a_ciphertext_opens_nowhere_else() {
        let sealed = sealer().seal(&place(), b"secret");
        let elsewhere = [
            SealContext {
                row: Uuid::from_u128(8),
                ..place()
            },
            SealContext {
                column: "public_key",
                ..place()
            },
            SealContext {
                table: "api_keys",
                ..place()
            },
            SealContext {
                service: "portal",
                ..place()
            },
            SealContext {
                table: "signing_keysp",
                column: "rivate_key",
                ..place()
            },
        ];
        for other in elsewhere {
            assert_eq!(
                sealer().open(&other, &sealed),
                Err(SealError::Refused),
                "{other:?}"
            );
        }
    }

    #[test]
    fn keys_rotate() {
        let old = Sealer::new("a", [("a", [1; 32])])
            .unwrap()
            .seal(&place(), b"x");
        assert_eq!(sealer().open(&place(), &old).unwrap().as_slice(), b"x");
        assert!(sealer().is_outdated(&old));
        assert!(!sealer().is_outdated(&sealer().seal(&place(), b"x")));
        let relabelled = old.replacen("v1.a.", "v1.b.", 1);
        assert_eq!(
            sealer().open(&place(), &relabelled),
            Err(SealError::Refused)
        );
        let unknown = old.replacen("v1.a.", "v1.c.", 1);
        assert_eq!(
            sealer().open(&place(), &unknown),
            Err(SealError::UnknownKey("c".into()))
        );
    }

    #[test]
    fn a_hundred_thousand_nonces_differ() {
        let sealer = sealer();
        let mut seen = HashSet::new();
        for _ in 0..100_000 {
            let sealed = sealer.seal(&place(), b"");
            let body = URL_SAFE_NO_PAD
                .decode(sealed.rsplit('.').next().unwrap())
                .unwrap();
            let nonce: [u8; NONCE_BYTES] = body[..NONCE_BYTES].try_into().unwrap();
            assert!(seen.insert(nonce));
        }
    }

    #[test]
    fn keys_are_checked_and_hidden() {
        assert_eq!(
            Sealer::new("x", [("a", [1; 32])]).unwrap_err(),
            SealError::NoActiveKey("x".into())
        );
        assert!(Sealer::new("a.b", [("a.b", [1; 32])]).is_err());
        assert_eq!(
            format!("{:?}", sealer()),
            r#"Sealer { active: "b", keys: 2 }"#
        );
    }
}
