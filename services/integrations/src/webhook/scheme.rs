//! How senders sign: pure. Every scheme is an HMAC-SHA256 over the raw body, with or without a stated time.

use std::collections::BTreeMap;

use base64::{
    Engine,
    alphabet::STANDARD as ALPHABET,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig, general_purpose::STANDARD},
};
use service_auth::tokens::{ct_eq, hmac_sha256_plain};

pub use super::generic::{GenericOptions, SignedContent, Spelling};
use super::{
    generic::generic,
    model::{Refusal, Tolerance},
};

/// Secrets come with and without padding.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &ALPHABET,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The headers of a request, by lower-case name; one that came twice is not among them.
#[derive(Clone, Debug, Default)]
pub struct Headers(BTreeMap<String, String>);

impl Headers {
    /// Headers as they came.
    pub fn new<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let mut seen: BTreeMap<String, Option<String>> = BTreeMap::new();
        for (name, value) in pairs {
            seen.entry(name.to_ascii_lowercase())
                .and_modify(|known| *known = None)
                .or_insert_with(|| Some(value.to_owned()));
        }
        Self(
            seen.into_iter()
                .filter_map(|(name, value)| value.map(|value| (name, value)))
                .collect(),
        )
    }

    /// The value of a header that came once.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// A header of Standard Webhooks, under either of its names.
    fn webhook(&self, name: &str) -> Option<&str> {
        self.get(&format!("webhook-{name}"))
            .or_else(|| self.get(&format!("svix-{name}")))
    }
}

/// How an endpoint's sender signs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// `X-Signature` when it is there, else Standard Webhooks.
    Auto,
    /// `X-Signature`: hex over the body (I05).
    XSignature,
    /// Standard Webhooks 1.0.0.
    Standard,
    /// `Stripe-Signature`.
    Stripe,
    /// `Wave-Signature`.
    Wave,
    /// As the options say.
    Generic(GenericOptions),
}

/// What an authenticated request said beside its body.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verified {
    /// The sender's id of the event, where the scheme has one.
    pub id: Option<String>,
    /// The event's type, where an unsigned header has it.
    pub event_type: Option<String>,
}

impl Scheme {
    /// From a row; `None` for options that cannot be read.
    pub fn from_row(name: &str, options: &serde_json::Value) -> Option<Self> {
        Some(match name {
            "auto" => Self::Auto,
            "x_signature" => Self::XSignature,
            "standard" => Self::Standard,
            "stripe" => Self::Stripe,
            "wave" => Self::Wave,
            "generic" => Self::Generic(serde_json::from_value(options.clone()).ok()?),
            _ => return None,
        })
    }

    /// The signature as it came, for the record.
    pub fn signature<'a>(&self, headers: &'a Headers) -> Option<&'a str> {
        match self {
            Self::Auto => headers
                .get("x-signature")
                .or_else(|| headers.webhook("signature")),
            Self::XSignature => headers.get("x-signature"),
            Self::Standard => headers.webhook("signature"),
            Self::Stripe => headers.get("stripe-signature"),
            Self::Wave => headers.get("wave-signature"),
            Self::Generic(options) => headers.get(&options.signature_header.to_ascii_lowercase()),
        }
    }

    /// Checks a request under the secrets that are good, the current one first. Each is compared, so that time does not
    /// tell which one matched.
    ///
    /// # Errors
    /// [`Refusal`].
    pub fn verify(
        &self,
        secrets: &[String],
        headers: &Headers,
        body: &[u8],
        now: i64,
        tolerance: Tolerance,
    ) -> Result<Verified, Refusal> {
        let mut result = Err(Refusal::Mismatch);
        for secret in secrets {
            let one = self.verify_one(secret, headers, body, now, tolerance);
            // A matching secret says more about a request (also that it is too old) than one that does not match.
            if result == Err(Refusal::Mismatch) {
                result = one;
            }
        }
        result
    }

    fn verify_one(
        &self,
        secret: &str,
        headers: &Headers,
        body: &[u8],
        now: i64,
        tolerance: Tolerance,
    ) -> Result<Verified, Refusal> {
        match self {
            Self::Auto if headers.get("x-signature").is_some() => {
                x_signature(secret, headers, body)
            }
            Self::Auto | Self::Standard => standard(secret, headers, body, now, tolerance),
            Self::XSignature => x_signature(secret, headers, body),
            Self::Stripe => stripe(secret, headers, body, now, tolerance),
            Self::Wave => wave(secret, headers, body, now, tolerance),
            Self::Generic(options) => generic(options, secret, headers, body, now, tolerance),
        }
    }
}

fn x_signature(secret: &str, headers: &Headers, body: &[u8]) -> Result<Verified, Refusal> {
    let signature = headers.get("x-signature").ok_or(Refusal::Missing)?;
    let expected = hex::encode(hmac_sha256_plain(secret.as_bytes(), body));
    if ct_eq(expected.as_bytes(), signature.as_bytes()) {
        Ok(Verified::default())
    } else {
        Err(Refusal::Mismatch)
    }
}

pub(super) fn in_time(stated: i64, now: i64, tolerance: Tolerance) -> Result<(), Refusal> {
    if stated < now.saturating_sub(tolerance.past) {
        Err(Refusal::TooOld)
    } else if stated > now.saturating_add(tolerance.future) {
        Err(Refusal::TooNew)
    } else {
        Ok(())
    }
}

/// Digits only: what a sender writes, and nothing that merely parses to the same number.
pub(super) fn seconds(text: &str) -> Result<i64, Refusal> {
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return Err(Refusal::Malformed);
    }
    text.parse().map_err(|_| Refusal::Malformed)
}

fn standard(
    secret: &str,
    headers: &Headers,
    body: &[u8],
    now: i64,
    tolerance: Tolerance,
) -> Result<Verified, Refusal> {
    let (Some(id), Some(timestamp), Some(signatures)) = (
        headers.webhook("id"),
        headers.webhook("timestamp"),
        headers.webhook("signature"),
    ) else {
        return Err(Refusal::Missing);
    };
    let stated = seconds(timestamp)?;
    if id.is_empty() || id.contains('.') {
        return Err(Refusal::Malformed);
    }
    let key = match secret.strip_prefix("whsec_") {
        Some(encoded) => LENIENT.decode(encoded).map_err(|_| Refusal::Mismatch)?,
        None => secret.as_bytes().to_vec(),
    };
    let mut signed = format!("{id}.{timestamp}.").into_bytes();
    signed.extend_from_slice(body);
    let expected = STANDARD.encode(hmac_sha256_plain(&key, &signed));
    let matching = signatures
        .split(' ')
        .filter_map(|listed| listed.strip_prefix("v1,"))
        .fold(false, |found, listed| {
            ct_eq(expected.as_bytes(), listed.as_bytes()) | found
        });
    if !matching {
        return Err(Refusal::Mismatch);
    }
    in_time(stated, now, tolerance)?;
    Ok(Verified {
        id: Some(id.to_owned()),
        event_type: None,
    })
}

/// `t=<seconds>,v1=<hex>[,v1=<hex>]`, signed over time, separator and body under the whole secret, its prefix included.
fn listed(
    header: Option<&str>,
    separator: &str,
    secret: &str,
    body: &[u8],
    now: i64,
    tolerance: Tolerance,
) -> Result<Verified, Refusal> {
    let (mut timestamp, mut signatures) = (None, Vec::new());
    let header = header.ok_or(Refusal::Missing)?;
    for (name, value) in header.split(',').filter_map(|part| part.split_once('=')) {
        match name {
            "t" if timestamp.is_some() => return Err(Refusal::Malformed),
            "t" => timestamp = Some(value),
            "v1" => signatures.push(value),
            _ => {}
        }
    }
    let timestamp = timestamp.ok_or(Refusal::Missing)?;
    let stated = seconds(timestamp)?;
    let signed = [timestamp.as_bytes(), separator.as_bytes(), body].concat();
    let expected = hex::encode(hmac_sha256_plain(secret.as_bytes(), &signed));
    let matching = signatures.iter().fold(false, |found, listed| {
        ct_eq(expected.as_bytes(), listed.as_bytes()) | found
    });
    if !matching {
        return Err(if signatures.is_empty() {
            Refusal::Missing
        } else {
            Refusal::Mismatch
        });
    }
    in_time(stated, now, tolerance)?;
    Ok(Verified::default())
}

fn stripe(
    secret: &str,
    headers: &Headers,
    body: &[u8],
    now: i64,
    tolerance: Tolerance,
) -> Result<Verified, Refusal> {
    let header = headers.get("stripe-signature");
    listed(header, ".", secret, body, now, tolerance)
}

/// Wave puts nothing between the time and the body.
fn wave(
    secret: &str,
    headers: &Headers,
    body: &[u8],
    now: i64,
    tolerance: Tolerance,
) -> Result<Verified, Refusal> {
    // Without a separator the border between time and body is not signed: only a body that cannot begin with a digit
    // of the time is unambiguous, and a JSON object is one.
    if body.first().is_some_and(u8::is_ascii_digit) {
        return Err(Refusal::Malformed);
    }
    listed(
        headers.get("wave-signature"),
        "",
        secret,
        body,
        now,
        tolerance,
    )
}

/// Whether an endpoint takes a type: by its name, `payment.*`, or `*`.
pub fn accepts(events: &[String], event_type: &str) -> bool {
    events.iter().any(|wanted| match wanted.strip_suffix('*') {
        Some("") => true,
        Some(start) => start.ends_with('.') && event_type.starts_with(start),
        None => wanted == event_type,
    })
}

#[cfg(test)]
#[path = "scheme_tests.rs"]
mod tests;
