//! ES256 keys: the private one that signs, the public ones that are published as a JWKS (RFC 7517).

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair,
    ParsedPublicKey,
};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use common_types::claims::{AccessClaims, PortalClaims, ServiceClaims};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::jws::TokenKind;

/// The most keys that are read from one key set; more is not ours.
const MAX_KEYS: usize = 16;
/// The length of an uncompressed P-256 point: 0x04, x, y.
const POINT_BYTES: usize = 65;

/// A key that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The text is no PKCS#8 PEM of a P-256 key.
    #[error("not a PKCS#8 PEM of a P-256 private key")]
    NotAKey,
    /// A JWK that is not EC, P-256, ES256, for signing, or has no proper `kid`.
    #[error("not a public P-256 signing key")]
    NotPublic,
    /// The library refused to generate or to sign.
    #[error("the cryptographic library refused: {0}")]
    Library(&'static str),
    /// A key signed something that the same key does not verify.
    #[error("the sign/verify self-test failed: {0}")]
    SelfTest(&'static str),
}

/// A published key: exactly the members of an ES256 JWK.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublicKey {
    kty: String,
    crv: String,
    /// Key id: the RFC 7638 thumbprint, unless the issuer chose another name.
    pub kid: String,
    alg: String,
    #[serde(rename = "use")]
    usage: String,
    x: String,
    y: String,
}

impl PublicKey {
    fn from_point(kid: Option<&str>, point: &[u8]) -> Result<Self, KeyError> {
        if point.len() != POINT_BYTES || point.first() != Some(&4) {
            return Err(KeyError::NotPublic);
        }
        let (x, y) = point[1..].split_at(32);
        let (x, y) = (URL_SAFE_NO_PAD.encode(x), URL_SAFE_NO_PAD.encode(y));
        let kid = match kid {
            Some(kid) => kid.to_owned(),
            None => {
                let canonical = format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#);
                URL_SAFE_NO_PAD.encode(Sha256::digest(canonical.as_bytes()))
            }
        };
        Ok(Self {
            kty: "EC".into(),
            crv: "P-256".into(),
            kid,
            alg: "ES256".into(),
            usage: "sig".into(),
            x,
            y,
        })
    }

    /// The key ready to verify with: parsing the point anew at every signature costs a tenth of the check.
    fn verifying_key(&self) -> Result<ParsedPublicKey, KeyError> {
        let right =
            self.kty == "EC" && self.crv == "P-256" && self.alg == "ES256" && self.usage == "sig";
        if !right || self.kid.is_empty() {
            return Err(KeyError::NotPublic);
        }
        let mut point = vec![4];
        for part in [&self.x, &self.y] {
            let bytes = URL_SAFE_NO_PAD
                .decode(part)
                .map_err(|_| KeyError::NotPublic)?;
            if bytes.len() != 32 {
                return Err(KeyError::NotPublic);
            }
            point.extend(bytes);
        }
        ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, &point).map_err(|_| KeyError::NotPublic)
    }
}

/// A JWKS document: `{"keys": [...]}`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublicKeys {
    /// The keys; a verifier ignores those that are not ours in kind.
    pub keys: Vec<PublicKey>,
}

impl PublicKeys {
    /// Reads a JWKS document, leaving out members of other kinds (RFC 7517 §5 asks for it).
    ///
    /// # Errors
    /// When the document is not a JWKS at all.
    pub fn from_json(json: &[u8]) -> Result<Self, KeyError> {
        #[derive(Deserialize)]
        struct Loose {
            keys: Vec<serde_json::Value>,
        }
        let loose: Loose = serde_json::from_slice(json).map_err(|_| KeyError::NotPublic)?;
        let keys = loose
            .keys
            .into_iter()
            .take(MAX_KEYS)
            .filter_map(|key| serde_json::from_value(key).ok())
            .collect();
        Ok(Self { keys })
    }

    pub(crate) fn verifying_keys(&self) -> BTreeMap<String, Arc<ParsedPublicKey>> {
        self.keys
            .iter()
            .take(MAX_KEYS)
            .filter_map(|key| Some((key.kid.clone(), Arc::new(key.verifying_key().ok()?))))
            .collect()
    }
}

/// A private ES256 key with its id.
#[derive(Clone)]
pub struct Signer {
    key: Arc<EncodingKey>,
    pkcs8: Arc<Zeroizing<Vec<u8>>>,
    public: PublicKey,
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer")
            .field("kid", &self.public.kid)
            .finish_non_exhaustive()
    }
}

impl Signer {
    /// A new key; its `kid` is the thumbprint of its public half.
    ///
    /// # Errors
    /// When the system gives no randomness.
    pub fn generate() -> Result<Self, KeyError> {
        let document =
            EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new())
                .map_err(|_| KeyError::Library("generate"))?;
        Self::from_pkcs8(None, document.as_ref())
    }

    /// Reads `-----BEGIN PRIVATE KEY-----` (PKCS#8). Without a `kid` the thumbprint is used.
    ///
    /// # Errors
    /// When the text holds no P-256 key.
    pub fn from_pem(kid: Option<&str>, pem: &str) -> Result<Self, KeyError> {
        let body: Zeroizing<String> = Zeroizing::new(
            pem.trim()
                .strip_prefix("-----BEGIN PRIVATE KEY-----")
                .and_then(|rest| rest.strip_suffix("-----END PRIVATE KEY-----"))
                .ok_or(KeyError::NotAKey)?
                .split_ascii_whitespace()
                .collect(),
        );
        let der = Zeroizing::new(
            STANDARD
                .decode(body.as_bytes())
                .map_err(|_| KeyError::NotAKey)?,
        );
        Self::from_pkcs8(kid, &der)
    }

    fn from_pkcs8(kid: Option<&str>, der: &[u8]) -> Result<Self, KeyError> {
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der)
            .map_err(|_| KeyError::NotAKey)?;
        let public = PublicKey::from_point(kid, pair.public_key().as_ref())?;
        Ok(Self {
            key: Arc::new(EncodingKey::from_ec_der(der)),
            pkcs8: Arc::new(Zeroizing::new(der.to_vec())),
            public,
        })
    }

    /// The private key as PKCS#8 PEM, to be sealed before it is stored.
    #[must_use]
    pub fn to_pem(&self) -> Zeroizing<String> {
        let body = Zeroizing::new(STANDARD.encode(self.pkcs8.as_slice()));
        let mut pem = Zeroizing::new(String::from("-----BEGIN PRIVATE KEY-----\n"));
        for (index, c) in body.chars().enumerate() {
            if index > 0 && index % 64 == 0 {
                pem.push('\n');
            }
            pem.push(c);
        }
        pem.push_str("\n-----END PRIVATE KEY-----\n");
        pem
    }

    /// The key's id.
    #[must_use]
    pub fn kid(&self) -> &str {
        &self.public.kid
    }

    /// The public half.
    #[must_use]
    pub fn public(&self) -> &PublicKey {
        &self.public
    }

    /// A key set of this key alone.
    #[must_use]
    pub fn jwks(&self) -> PublicKeys {
        PublicKeys {
            keys: vec![self.public.clone()],
        }
    }

    /// Signs claims as a token of this kind; the claims are taken as they are.
    ///
    /// # Errors
    /// When the claims cannot be serialised or the library refuses.
    pub fn sign<T: Serialize>(&self, kind: TokenKind, claims: &T) -> Result<String, KeyError> {
        let mut header = Header::new(Algorithm::ES256);
        header.typ = Some(kind.typ().to_owned());
        header.kid = Some(self.public.kid.clone());
        jsonwebtoken::encode(&header, claims, &self.key).map_err(|_| KeyError::Library("sign"))
    }

    /// Signs a person's access token (RFC 9068).
    ///
    /// # Errors
    /// As [`Signer::sign`].
    pub fn sign_access(&self, claims: &AccessClaims) -> Result<String, KeyError> {
        self.sign(TokenKind::Access, claims)
    }

    /// Signs a service client's token.
    ///
    /// # Errors
    /// As [`Signer::sign`].
    pub fn sign_service(&self, claims: &ServiceClaims) -> Result<String, KeyError> {
        self.sign(TokenKind::Service, claims)
    }

    /// Signs a patient's portal session.
    ///
    /// # Errors
    /// As [`Signer::sign`].
    pub fn sign_portal(&self, claims: &PortalClaims) -> Result<String, KeyError> {
        self.sign(TokenKind::Portal, claims)
    }

    /// The base64url signature over any bytes; for building bad tokens in [`crate::testing`].
    pub(crate) fn sign_raw(&self, message: &[u8]) -> Result<String, KeyError> {
        jsonwebtoken::crypto::sign(message, &self.key, Algorithm::ES256)
            .map_err(|_| KeyError::Library("sign"))
    }

    /// Signs and verifies once, and sees that a changed message is refused. A JWT library without a working
    /// backend compiles and then fails at its first use; this makes the start fail instead (Q-A4).
    ///
    /// # Errors
    /// When any of the three steps does not do what it must.
    pub fn self_test(&self) -> Result<(), KeyError> {
        let key = self.public.verifying_key()?;
        let check = |message: &[u8], signature: &str| {
            URL_SAFE_NO_PAD
                .decode(signature)
                .is_ok_and(|signature| key.verify_sig(message, &signature).is_ok())
        };
        let signature = jsonwebtoken::crypto::sign(b"tabib", &self.key, Algorithm::ES256)
            .map_err(|_| KeyError::SelfTest("cannot sign"))?;
        if !check(b"tabib", &signature) {
            return Err(KeyError::SelfTest("own signature refused"));
        }
        if check(b"tabiB", &signature) {
            return Err(KeyError::SelfTest("changed message accepted"));
        }
        Ok(())
    }
}

/// The issuer's keys: one signs, all are published, so that keys rotate without logging anyone out.
#[derive(Debug, Clone)]
pub struct KeySet {
    active: Signer,
    published: Vec<PublicKey>,
}

impl KeySet {
    /// A set with its signing key and the other published keys (the next one, and retired ones whose tokens live).
    #[must_use]
    pub fn new(active: Signer, others: impl IntoIterator<Item = PublicKey>) -> Self {
        let mut published = vec![active.public.clone()];
        published.extend(
            others
                .into_iter()
                .filter(|key| key.kid != active.public.kid),
        );
        Self { active, published }
    }

    /// The key that signs.
    #[must_use]
    pub fn signer(&self) -> &Signer {
        &self.active
    }

    /// The document for `/.well-known/jwks.json`.
    #[must_use]
    pub fn jwks(&self) -> PublicKeys {
        PublicKeys {
            keys: self.published.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_survives_pem_and_keeps_its_thumbprint() {
        let signer = Signer::generate().unwrap();
        let again = Signer::from_pem(None, &signer.to_pem()).unwrap();
        assert_eq!(again.public(), signer.public());
        assert_eq!(signer.kid().len(), 43);
        again.self_test().unwrap();
        // jsonwebtoken reads the same PEM.
        EncodingKey::from_ec_pem(signer.to_pem().as_bytes()).unwrap();
    }

    #[test]
    fn the_thumbprint_is_the_one_of_rfc_7638() {
        let signer = Signer::generate().unwrap();
        let jwk: jsonwebtoken::jwk::Jwk =
            serde_json::from_value(serde_json::to_value(signer.public()).unwrap()).unwrap();
        assert_eq!(
            jwk.thumbprint(jsonwebtoken::jwk::ThumbprintHash::SHA256)
                .unwrap(),
            signer.kid()
        );
    }

    #[test]
    fn foreign_keys_in_a_set_are_ignored() {
        let signer = Signer::generate().unwrap();
        let json = serde_json::json!({"keys": [
            {"kty": "RSA", "kid": "r", "n": "AQAB", "e": "AQAB"},
            {"kty": "oct", "kid": "h", "k": "c2VjcmV0"},
            {"kty": "EC", "crv": "P-384", "kid": "p", "alg": "ES384", "use": "sig", "x": "AA", "y": "AA"},
            signer.public(),
        ]});
        let set = PublicKeys::from_json(json.to_string().as_bytes()).unwrap();
        assert_eq!(
            set.verifying_keys().into_keys().collect::<Vec<_>>(),
            [signer.kid()]
        );
    }

    #[test]
    fn debug_shows_no_private_key() {
        let signer = Signer::generate().unwrap();
        let shown = format!("{signer:?}");
        assert!(shown.contains(signer.kid()) && shown.len() < 120, "{shown}");
    }

    #[test]
    fn garbage_is_no_key() {
        for pem in [
            "",
            "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----",
            "x",
        ] {
            assert!(Signer::from_pem(None, pem).is_err());
        }
    }
}
