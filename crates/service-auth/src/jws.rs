//! The compact form of a signed token (RFC 7515), read more strictly than the standard asks.
//!
//! Only our own two issuers sign what we read, so everything they never write is refused: other header
//! members, other algorithms, duplicate members, padding, whitespace, non-canonical base64.

use std::collections::HashSet;
use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::{self, DeserializeSeed, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::error::AuthError;

/// The largest token that is looked at, in bytes.
pub const MAX_TOKEN_BYTES: usize = 8 * 1024;

/// An ES256 signature is exactly two 32-byte integers.
const SIGNATURE_BYTES: usize = 64;
/// A `kid` longer than a thumbprint needs is not ours.
const MAX_KID_BYTES: usize = 64;

/// The kinds of token and the header `typ` each one carries (explicit typing, RFC 8725 §3.11).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TokenKind {
    /// A person's access token.
    Access,
    /// A service client's token.
    Service,
    /// A portal session of a patient.
    Portal,
}

impl TokenKind {
    /// The header `typ`.
    #[must_use]
    pub fn typ(self) -> &'static str {
        match self {
            Self::Access => "at+jwt",
            Self::Service => "svc+jwt",
            Self::Portal => "portal+jwt",
        }
    }

    /// The claim `aud`.
    #[must_use]
    pub fn audience(self) -> &'static str {
        match self {
            Self::Access => "tabib",
            Self::Service => "internal",
            Self::Portal => "portal",
        }
    }

    /// The claim `token_type`.
    #[must_use]
    pub fn token_type(self) -> &'static str {
        match self {
            Self::Access => "access",
            Self::Service => "service",
            Self::Portal => "portal",
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    alg: String,
    typ: String,
    kid: String,
}

/// A token taken apart; nothing in it is trusted before the signature was checked.
#[derive(Debug)]
pub(crate) struct Parsed<'a> {
    pub(crate) kid: String,
    pub(crate) signed: &'a str,
    pub(crate) signature: [u8; SIGNATURE_BYTES],
    payload: &'a str,
}

impl<'a> Parsed<'a> {
    /// Takes the token apart and checks its header against the expected kind.
    pub(crate) fn parse(token: &'a str, kind: TokenKind) -> Result<Self, AuthError> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(AuthError::Malformed);
        }
        let (signed, signature) = token.rsplit_once('.').ok_or(AuthError::Malformed)?;
        let (header, payload) = signed.split_once('.').ok_or(AuthError::Malformed)?;
        if payload.contains('.') || payload.is_empty() {
            return Err(AuthError::Malformed);
        }
        let bytes = decode(header)?;
        strict(&bytes)?;
        let header: Header = serde_json::from_slice(&bytes).map_err(|_| AuthError::BadHeader)?;
        if header.alg != "ES256" {
            return Err(AuthError::BadHeader);
        }
        if header.typ != kind.typ() {
            return Err(AuthError::WrongKind);
        }
        if header.kid.is_empty()
            || header.kid.len() > MAX_KID_BYTES
            || !header.kid.bytes().all(is_kid_byte)
        {
            return Err(AuthError::BadHeader);
        }
        let signature = decode(signature)?
            .try_into()
            .map_err(|_| AuthError::Malformed)?;
        Ok(Self {
            kid: header.kid,
            signed,
            signature,
            payload,
        })
    }

    /// The claims; call only after the signature was found right.
    pub(crate) fn claims(&self) -> Result<serde_json::Value, AuthError> {
        let bytes = decode(self.payload)?;
        strict(&bytes)?;
        let value: serde_json::Value =
            serde_json::from_slice(&bytes).map_err(|_| AuthError::Malformed)?;
        if value.is_object() {
            Ok(value)
        } else {
            Err(AuthError::Malformed)
        }
    }
}

fn is_kid_byte(b: u8) -> bool {
    b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_')
}

fn decode(part: &str) -> Result<Vec<u8>, AuthError> {
    URL_SAFE_NO_PAD
        .decode(part)
        .map_err(|_| AuthError::Malformed)
}

/// Refuses JSON with a duplicate member anywhere, or anything after the value.
fn strict(bytes: &[u8]) -> Result<(), AuthError> {
    let mut de = serde_json::Deserializer::from_slice(bytes);
    NoDuplicates
        .deserialize(&mut de)
        .map_err(|_| AuthError::Malformed)?;
    de.end().map_err(|_| AuthError::Malformed)
}

/// Walks any value and keeps nothing; serde_json bounds the depth at 128.
#[derive(Clone, Copy)]
struct NoDuplicates;

impl<'de> DeserializeSeed<'de> for NoDuplicates {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for NoDuplicates {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON without duplicate members")
    }
    fn visit_bool<E: de::Error>(self, _: bool) -> Result<(), E> {
        Ok(())
    }
    fn visit_i64<E: de::Error>(self, _: i64) -> Result<(), E> {
        Ok(())
    }
    fn visit_u64<E: de::Error>(self, _: u64) -> Result<(), E> {
        Ok(())
    }
    fn visit_f64<E: de::Error>(self, _: f64) -> Result<(), E> {
        Ok(())
    }
    fn visit_str<E: de::Error>(self, _: &str) -> Result<(), E> {
        Ok(())
    }
    fn visit_unit<E: de::Error>(self) -> Result<(), E> {
        Ok(())
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while seq.next_element_seed(self)?.is_some() {}
        Ok(())
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut seen = HashSet::new();
        while let Some(key) = map.next_key::<String>()? {
            if !seen.insert(key) {
                return Err(de::Error::custom("duplicate member"));
            }
            map.next_value_seed(self)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn duplicates_are_found_at_every_depth() {
        assert!(strict(br#"{"a":1,"b":{"c":[{"d":1}]}}"#).is_ok());
        assert!(strict(br#"{"a":1,"a":1}"#).is_err());
        assert!(strict(br#"{"a":[{"b":1,"b":2}]}"#).is_err());
        assert!(strict(br#"{"a":1,"\u0061":2}"#).is_err());
        assert!(strict(br#"{"a":1} x"#).is_err());
        assert!(strict(br#"{"a":1e400}"#).is_err());
        assert!(strict("[".repeat(10_000).as_bytes()).is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_are_refused_without_panic(s in "\\PC{0,300}") {
            prop_assert!(Parsed::parse(&s, TokenKind::Access).is_err());
        }
        #[test]
        fn three_random_parts_are_refused(a in "[A-Za-z0-9_-]{0,80}", b in "[A-Za-z0-9_-]{0,80}", c in "[A-Za-z0-9_-]{86}") {
            let token = format!("{a}.{b}.{c}");
            prop_assert!(Parsed::parse(&token, TokenKind::Access).is_err());
        }
    }
}
