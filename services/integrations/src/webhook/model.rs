//! Refusals, event names and the key by which copies are recognised: pure.

use serde_json::Value;
use service_auth::tokens::sha256_hex;

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

/// How far a stated time may be off, in seconds.
#[derive(Debug, Clone, Copy)]
pub struct Tolerance {
    /// Into the past.
    pub past: i64,
    /// Into the future.
    pub future: i64,
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
                // Stripe's checkout sessions, then Wave's.
                "/data/object/client_reference_id",
                "/data/object/metadata/order_id",
                "/data/client_reference",
                "/data/factorId",
            ],
        ),
        event_id: first(body, &["/event_id", "/id", "/data/event_id"]),
    })
}

/// The pause before an event that was not handed on is looked at again, when `tried` looks were in vain.
pub fn retry_pause(tried: i32) -> chrono::TimeDelta {
    match tried {
        ..=0 => chrono::TimeDelta::minutes(1),
        1 => chrono::TimeDelta::minutes(10),
        _ => chrono::TimeDelta::hours(1),
    }
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

    #[test]
    fn sessions_of_stripe_and_wave_name_our_payment() {
        let references = |body: serde_json::Value| {
            let parsed = parse(&body).unwrap();
            (
                parsed.provider_reference.unwrap(),
                parsed.order_reference.unwrap(),
            )
        };
        let stripe = json!({"id": "evt_1", "type": "checkout.session.completed", "data": {"object":
            {"id": "cs_1", "client_reference_id": "our-1", "metadata": {"order_id": "other"}}}});
        assert_eq!(references(stripe), ("cs_1".into(), "our-1".into()));
        let wave = json!({"id": "EV_1", "type": "checkout.session.completed",
            "data": {"id": "cos-1", "client_reference": "our-2", "amount": "1000"}});
        assert_eq!(references(wave), ("cos-1".into(), "our-2".into()));
    }

    proptest! {
        #[test]
        fn no_body_panics(body in proptest::collection::vec(any::<u8>(), 0..200)) {
            let value: Value = serde_json::from_slice(&body).unwrap_or_default();
            let parsed = parse(&value);
            let _ = dedupe_key(None, parsed.as_ref(), &body);
        }
    }
}
