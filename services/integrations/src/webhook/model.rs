//! Signatures, event names and the key by which copies are recognised: pure.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::Value;
use service_auth::tokens::{ct_eq, hmac_sha256_plain, sha256_hex};

/// Why a signature was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// No signature header.
    Missing,
    /// No signature matches.
    Mismatch,
    /// The stated time is not a number.
    Malformed,
    /// The stated time is too long ago.
    TooOld,
    /// The stated time lies too far ahead.
    TooNew,
}

impl Refusal {
    /// Stable word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Mismatch => "mismatch",
            Self::Malformed => "malformed",
            Self::TooOld => "too_old",
            Self::TooNew => "too_new",
        }
    }
}

/// The signature headers of a request; names with `svix-` mean the same as those with `webhook-`.
#[derive(Debug, Clone, Default)]
pub struct SignatureHeaders {
    /// `X-Signature`.
    pub x_signature: Option<String>,
    /// `webhook-id`.
    pub id: Option<String>,
    /// `webhook-timestamp`.
    pub timestamp: Option<String>,
    /// `webhook-signature`.
    pub signatures: Option<String>,
}

/// How far a stated time may be off, in seconds.
#[derive(Debug, Clone, Copy)]
pub struct Tolerance {
    /// Into the past.
    pub past: i64,
    /// Into the future.
    pub future: i64,
}

/// Checks a request. `X-Signature` (hex HMAC-SHA256 of the raw body, no prefix, contract I05) is used when present, else
/// the Standard Webhooks headers. Returns the sender's message id when the scheme carries one.
///
/// # Errors
/// [`Refusal`]. Every comparison takes the same time wherever the difference lies.
pub fn verify(
    secret: &str,
    headers: &SignatureHeaders,
    body: &[u8],
    now: i64,
    tolerance: Tolerance,
) -> Result<Option<String>, Refusal> {
    if let Some(signature) = &headers.x_signature {
        let expected = hex::encode(hmac_sha256_plain(secret.as_bytes(), body));
        return if ct_eq(expected.as_bytes(), signature.as_bytes()) {
            Ok(None)
        } else {
            Err(Refusal::Mismatch)
        };
    }
    let (Some(id), Some(timestamp), Some(signatures)) =
        (&headers.id, &headers.timestamp, &headers.signatures)
    else {
        return Err(Refusal::Missing);
    };
    let stated: i64 = timestamp.parse().map_err(|_| Refusal::Malformed)?;
    if id.is_empty() || id.contains('.') {
        return Err(Refusal::Malformed);
    }
    let key = match secret.strip_prefix("whsec_") {
        Some(encoded) => STANDARD.decode(encoded).map_err(|_| Refusal::Mismatch)?,
        None => secret.as_bytes().to_vec(),
    };
    let mut signed = format!("{id}.{timestamp}.").into_bytes();
    signed.extend_from_slice(body);
    let expected = STANDARD.encode(hmac_sha256_plain(&key, &signed));
    // Every listed signature is compared, so that time says nothing about which one matched.
    let matching = signatures
        .split(' ')
        .filter_map(|listed| listed.strip_prefix("v1,"))
        .fold(false, |found, listed| {
            ct_eq(expected.as_bytes(), listed.as_bytes()) | found
        });
    if !matching {
        return Err(Refusal::Mismatch);
    }
    if stated < now.saturating_sub(tolerance.past) {
        return Err(Refusal::TooOld);
    }
    if stated > now.saturating_add(tolerance.future) {
        return Err(Refusal::TooNew);
    }
    Ok(Some(id.clone()))
}

/// What a body says about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parsed {
    /// `event`, else `type`, else `unknown`.
    pub event_type: String,
    /// The provider's id of the thing.
    pub provider_reference: Option<String>,
    /// Our id of the thing, as echoed.
    pub order_reference: Option<String>,
    /// The sender's id of the event.
    pub event_id: Option<String>,
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) if !text.is_empty() && text.len() <= 255 => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

fn first(body: &Value, pointers: &[&str]) -> Option<String> {
    pointers
        .iter()
        .find_map(|pointer| body.pointer(pointer).and_then(text))
}

/// Reads a body; `None` when it is no object.
pub fn parse(body: &Value) -> Option<Parsed> {
    body.as_object()?;
    Some(Parsed {
        event_type: first(body, &["/event", "/type"]).unwrap_or_else(|| "unknown".to_owned()),
        provider_reference: first(
            body,
            &[
                "/data/payment_id",
                "/payment_id",
                "/data/object/id",
                "/data/messageid",
                "/messageid",
                "/data/id",
            ],
        ),
        order_reference: first(
            body,
            &[
                "/data/order_id",
                "/order_id",
                "/data/object/metadata/order_id",
                "/data/factorId",
            ],
        ),
        event_id: first(body, &["/event_id", "/id", "/data/event_id"]),
    })
}

/// One key per event: the sender's id with the event's name (some senders use the id of the thing, whose events differ by
/// name), else the digest of the body.
pub fn dedupe_key(header_id: Option<&str>, parsed: Option<&Parsed>, body: &[u8]) -> String {
    let event_type = parsed.map_or("", |parsed| parsed.event_type.as_str());
    match header_id.or_else(|| parsed.and_then(|parsed| parsed.event_id.as_deref())) {
        Some(id) => format!("id:{event_type}:{id}"),
        None => format!("sha256:{}", sha256_hex(body)),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    const TOLERANCE: Tolerance = Tolerance {
        past: 300,
        future: 60,
    };

    fn signed(secret: &str, body: &[u8]) -> SignatureHeaders {
        let signature = hex::encode(hmac_sha256_plain(secret.as_bytes(), body));
        SignatureHeaders {
            x_signature: Some(signature),
            ..SignatureHeaders::default()
        }
    }

    #[test]
    fn i05_x_signature_is_the_plain_hex_hmac() {
        let body = br#"{"event":"payment.success"}"#;
        assert_eq!(
            verify("secret", &signed("secret", body), body, 0, TOLERANCE),
            Ok(None)
        );
        assert_eq!(
            verify("other", &signed("secret", body), body, 0, TOLERANCE),
            Err(Refusal::Mismatch)
        );
        assert_eq!(
            verify("secret", &SignatureHeaders::default(), body, 0, TOLERANCE),
            Err(Refusal::Missing)
        );
        let mut prefixed = signed("secret", body);
        prefixed.x_signature = prefixed.x_signature.map(|hex| format!("sha256={hex}"));
        assert_eq!(
            verify("secret", &prefixed, body, 0, TOLERANCE),
            Err(Refusal::Mismatch)
        );
    }

    #[test]
    fn q_i_every_flipped_bit_is_refused() {
        let body = br#"{"event":"payment.success","id":"evt_1","data":{"payment_id":"pay_1","order_id":"o","amount":250000,"currency":"IRR"}}"#.to_vec();
        let headers = signed("the secret", &body);
        let signature = headers.x_signature.clone().unwrap().into_bytes();
        let mut flips = 0;
        for bit in 0..body.len() * 8 {
            let mut changed = body.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(
                verify("the secret", &headers, &changed, 0, TOLERANCE).is_err(),
                "body bit {bit}"
            );
            flips += 1;
        }
        for bit in 0..signature.len() * 8 {
            let mut changed = signature.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            let Ok(text) = String::from_utf8(changed) else {
                continue;
            };
            let headers = SignatureHeaders {
                x_signature: Some(text),
                ..SignatureHeaders::default()
            };
            assert!(
                verify("the secret", &headers, &body, 0, TOLERANCE).is_err(),
                "signature bit {bit}"
            );
            flips += 1;
        }
        let secret = b"the secret, long enough to flip many bits of it, one after the other, in turn and all, \
                       so that the whole of the signed input and its key is covered by this one test";
        for bit in 0..secret.len() * 8 {
            let mut changed = secret.to_vec();
            changed[bit / 8] ^= 1 << (bit % 8);
            let Ok(text) = String::from_utf8(changed) else {
                continue;
            };
            let good = signed(std::str::from_utf8(secret).unwrap(), &body);
            assert!(
                verify(&text, &good, &body, 0, TOLERANCE).is_err(),
                "secret bit {bit}"
            );
            flips += 1;
        }
        assert!(flips >= 2_000, "{flips} flips");
    }

    fn standard(timestamp: &str) -> SignatureHeaders {
        SignatureHeaders {
            x_signature: None,
            id: Some("msg_27UH4WbU6Z5A5EzD8u03UvzRbpk".into()),
            timestamp: Some(timestamp.into()),
            signatures: Some(
                "v1a,xx v1,AAAA v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw=".into(),
            ),
        }
    }

    #[test]
    fn standard_webhooks_vector_and_tolerance() {
        let secret = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
        let body = br#"{"email":"test@example.com","username":"test_user"}"#;
        let at = 1_649_367_553;
        let check = |now| verify(secret, &standard("1649367553"), body, now, TOLERANCE);
        assert_eq!(
            check(at),
            Ok(Some("msg_27UH4WbU6Z5A5EzD8u03UvzRbpk".to_owned()))
        );
        assert_eq!(check(at + 300).map(|_| ()), Ok(()));
        assert_eq!(check(at + 301), Err(Refusal::TooOld));
        assert_eq!(check(at - 60).map(|_| ()), Ok(()));
        assert_eq!(check(at - 61), Err(Refusal::TooNew));
        assert_eq!(
            verify(secret, &standard("1649367554"), body, at, TOLERANCE),
            Err(Refusal::Mismatch)
        );
        assert_eq!(
            verify(secret, &standard("soon"), body, at, TOLERANCE),
            Err(Refusal::Malformed)
        );
    }

    #[test]
    fn event_names_come_from_event_then_type() {
        assert_eq!(
            parse(&json!({"event": "a", "type": "b"}))
                .unwrap()
                .event_type,
            "a"
        );
        assert_eq!(parse(&json!({"type": "b"})).unwrap().event_type, "b");
        assert_eq!(parse(&json!({})).unwrap().event_type, "unknown");
        assert_eq!(parse(&json!([1])), None);
        let sandbox = json!({"event": "payment.success", "id": "evt_1", "data": {"payment_id": "pay_1", "order_id": "o1"}});
        let parsed = parse(&sandbox).unwrap();
        assert_eq!(
            (
                parsed.provider_reference.as_deref(),
                parsed.order_reference.as_deref()
            ),
            (Some("pay_1"), Some("o1"))
        );
        assert_eq!(
            dedupe_key(None, Some(&parsed), b""),
            "id:payment.success:evt_1"
        );
    }

    proptest! {
        #[test]
        fn no_body_or_header_panics(body in proptest::collection::vec(any::<u8>(), 0..200), text in ".{0,80}") {
            let headers = SignatureHeaders {
                x_signature: None, id: Some(text.clone()), timestamp: Some(text.clone()), signatures: Some(text.clone()),
            };
            let _ = verify(&text, &headers, &body, 0, TOLERANCE);
            let value: Value = serde_json::from_slice(&body).unwrap_or_default();
            let parsed = parse(&value);
            let _ = dedupe_key(None, parsed.as_ref(), &body);
        }
    }
}
