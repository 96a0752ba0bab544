//! The generic scheme: where its signature, time and type stand, and how it is checked.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};
use service_auth::tokens::{ct_eq, hmac_sha256_plain};
use utoipa::ToSchema;

use super::{
    model::{Refusal, Tolerance},
    scheme::{Headers, Verified, in_time, seconds},
};

/// What is signed in the generic scheme.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SignedContent {
    /// The body alone.
    #[default]
    Body,
    /// The time, a dot, the body.
    TimestampDotBody,
    /// The body, a bar, the time.
    BodyBarTimestamp,
}

/// How a signature is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Spelling {
    /// Lower-case hexadecimal.
    #[default]
    Hex,
    /// Base64 with padding.
    Base64,
}

/// Where the generic scheme finds what it needs; for GitHub: `{"signature_header": "x-hub-signature-256", "prefix":
/// "sha256=", "event_header": "x-github-event"}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct GenericOptions {
    /// Header of the signature.
    pub signature_header: String,
    /// What stands before the signature.
    #[serde(default)]
    pub prefix: String,
    /// How it is written.
    #[serde(default)]
    pub spelling: Spelling,
    /// What is signed.
    #[serde(default)]
    pub content: SignedContent,
    /// Header of the time, in seconds since the epoch; needed when the time is signed.
    #[serde(default)]
    pub timestamp_header: Option<String>,
    /// Header of the event's type. No signature covers it, so copies are told by the body alone where it is used; the
    /// same holds for ids in headers, which are therefore not read at all.
    #[serde(default)]
    pub event_header: Option<String>,
}

impl GenericOptions {
    /// Whether the names are names and the time is there when it is signed.
    pub fn is_sound(&self) -> bool {
        let name = |text: &str| {
            (1..=64).contains(&text.len())
                && text
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
        };
        let optional = [&self.timestamp_header, &self.event_header];
        name(&self.signature_header)
            && optional.into_iter().flatten().all(|text| name(text))
            && self.prefix.len() <= 64
            && (self.content == SignedContent::Body) == self.timestamp_header.is_none()
    }
}

/// Checks a request as the options say.
///
/// # Errors
/// [`Refusal`].
pub(super) fn generic(
    options: &GenericOptions,
    secret: &str,
    headers: &Headers,
    body: &[u8],
    now: i64,
    tolerance: Tolerance,
) -> Result<Verified, Refusal> {
    let named = |name: &Option<String>| {
        name.as_deref()
            .and_then(|name| headers.get(&name.to_ascii_lowercase()))
    };
    let signature = headers
        .get(&options.signature_header.to_ascii_lowercase())
        .ok_or(Refusal::Missing)?
        .strip_prefix(options.prefix.as_str())
        .ok_or(Refusal::Mismatch)?;
    let timestamp = named(&options.timestamp_header);
    let signed = match options.content {
        SignedContent::Body => body.to_vec(),
        SignedContent::TimestampDotBody => {
            [timestamp.ok_or(Refusal::Missing)?.as_bytes(), b".", body].concat()
        }
        SignedContent::BodyBarTimestamp => {
            [body, b"|", timestamp.ok_or(Refusal::Missing)?.as_bytes()].concat()
        }
    };
    let mac = hmac_sha256_plain(secret.as_bytes(), &signed);
    let expected = match options.spelling {
        Spelling::Hex => hex::encode(mac),
        Spelling::Base64 => STANDARD.encode(mac),
    };
    if !ct_eq(expected.as_bytes(), signature.as_bytes()) {
        return Err(Refusal::Mismatch);
    }
    if let Some(timestamp) = timestamp.filter(|_| options.content != SignedContent::Body) {
        in_time(seconds(timestamp)?, now, tolerance)?;
    }
    let bounded = |text: &str| (1..=255).contains(&text.len()).then(|| text.to_owned());
    Ok(Verified {
        id: None,
        event_type: named(&options.event_header).and_then(bounded),
    })
}
