//! Keys and tokens of the run, the same for both sides.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use common_types::Language;
use common_types::claims::{ACCESS_AUDIENCE, AccessClaims};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use service_auth::Signer;
use uuid::Uuid;

/// The issuer's name.
pub(super) const ISSUER: &str = "tabib-bench";

/// What precedes the 64 bytes of a P-256 point in a SubjectPublicKeyInfo (RFC 5480).
const P256_SPKI: [u8; 27] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a,
    0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00, 0x04,
];

/// Keys of one run.
pub(super) struct Keys {
    signer: Signer,
    rsa: Option<EncodingKey>,
    es256_public: PathBuf,
    rs256_public: PathBuf,
}

impl Keys {
    /// Makes them; the RSA pair needs `openssl`.
    pub(super) fn make(folder: &Path) -> Result<Self> {
        let signer = Signer::generate()?;
        let es256_public = folder.join("es256.pem");
        std::fs::write(&es256_public, public_pem(&signer)?)?;
        let rs256_public = folder.join("rs256.pem");
        Ok(Self {
            rsa: rsa(folder, &rs256_public)?,
            signer,
            es256_public,
            rs256_public,
        })
    }

    pub(super) fn has_rsa(&self) -> bool {
        self.rsa.is_some()
    }

    pub(super) fn public_key(&self, algorithm: &str) -> &Path {
        if algorithm == "RS256" {
            &self.rs256_public
        } else {
            &self.es256_public
        }
    }

    /// The key set that the gateway fetches.
    pub(super) fn jwks(&self) -> Result<String> {
        Ok(serde_json::to_string(&self.signer.jwks())?)
    }

    /// A good token of a new person.
    pub(super) fn token(&self) -> Result<String> {
        Ok(self.signer.sign_access(&claims(0))?)
    }

    /// A token that was good an hour ago.
    pub(super) fn expired(&self) -> Result<String> {
        Ok(self.signer.sign_access(&claims(-3600))?)
    }

    /// Writes many tokens of different people, one per line.
    pub(super) fn write_tokens(&self, folder: &Path, name: &str, count: usize) -> Result<PathBuf> {
        let mut text = String::new();
        for _ in 0..count {
            writeln!(text, "{}", self.token()?)?;
        }
        let path = folder.join(format!("{name}.tokens"));
        std::fs::write(&path, text)?;
        Ok(path)
    }

    /// The same under RS256, for HAProxy alone.
    pub(super) fn write_rsa_tokens(&self, folder: &Path, count: usize) -> Result<PathBuf> {
        let key = self.rsa.as_ref().context("no RSA key")?;
        let mut text = String::new();
        for _ in 0..count {
            writeln!(
                text,
                "{}",
                jsonwebtoken::encode(&Header::new(Algorithm::RS256), &claims(0), key)?
            )?;
        }
        let path = folder.join("rsa.tokens");
        std::fs::write(&path, text)?;
        Ok(path)
    }
}

fn claims(shift: i64) -> AccessClaims {
    let now = chrono::Utc::now().timestamp() + shift;
    AccessClaims {
        iss: ISSUER.into(),
        aud: ACCESS_AUDIENCE.into(),
        sub: Uuid::now_v7(),
        exp: now + 900,
        iat: now,
        nbf: now,
        jti: Uuid::now_v7(),
        sid: Uuid::now_v7(),
        token_type: "access".into(),
        user_id: "1".into(),
        org: Some(Uuid::now_v7()),
        clinic_role: None,
        content_role: None,
        superuser: false,
        group: 0,
        lang: Language::Fa,
        name: "Bench".into(),
        stepped_up_at: None,
    }
}

fn public_pem(signer: &Signer) -> Result<String> {
    let set = serde_json::to_value(signer.jwks())?;
    let point = |name: &str| {
        let text = set
            .pointer(&format!("/keys/0/{name}"))
            .and_then(serde_json::Value::as_str)
            .context("no point")?;
        anyhow::Ok(URL_SAFE_NO_PAD.decode(text)?)
    };
    let der = [P256_SPKI.as_slice(), &point("x")?, &point("y")?].concat();
    let text = STANDARD.encode(der);
    let lines: Vec<&str> = text
        .as_bytes()
        .chunks(64)
        .map(|line| std::str::from_utf8(line).unwrap_or_default())
        .collect();
    Ok(format!(
        "-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n",
        lines.join("\n")
    ))
}

fn rsa(folder: &Path, public: &Path) -> Result<Option<EncodingKey>> {
    if !crate::process::is_installed("openssl") {
        return Ok(None);
    }
    let private = folder.join("rs256.key");
    let made = Command::new("openssl")
        .args([
            "genpkey",
            "-quiet",
            "-algorithm",
            "RSA",
            "-pkeyopt",
            "rsa_keygen_bits:2048",
            "-out",
        ])
        .arg(&private)
        .status()?;
    let shown = Command::new("openssl")
        .args(["pkey", "-pubout", "-in"])
        .arg(&private)
        .arg("-out")
        .arg(public)
        .status()?;
    if !made.success() || !shown.success() {
        return Ok(None);
    }
    Ok(Some(EncodingKey::from_rsa_pem(&std::fs::read(private)?)?))
}
