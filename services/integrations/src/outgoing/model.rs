//! Signatures, bodies, secrets and the retry schedule: pure but for the random bytes handed in.

use std::time::Duration;

use base64::{Engine, engine::general_purpose::STANDARD};
use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use serde::Serialize;
use serde_json::Value;
use service_auth::tokens::hmac_sha256_plain;
use uuid::Uuid;

/// Pauses between tries, in seconds (Svix): eight tries in all over 27 h 35 min 5 s, jitter aside.
pub const SCHEDULE: [i64; 7] = [5, 300, 1_800, 7_200, 18_000, 36_000, 36_000];
/// An endpoint that only failed for this long is switched off.
pub const DISABLE_AFTER: TimeDelta = TimeDelta::hours(120);
/// Longest pause that a receiver may ask for.
pub const LONGEST_RETRY_AFTER: i64 = 86_400;
/// Failures in a row after which an endpoint is left alone for a while.
pub const BREAKER_AFTER: i32 = 10;
/// Marks a symmetric secret (Standard Webhooks).
pub const SECRET_PREFIX: &str = "whsec_";

/// The pause before the next try, when `failed` tries were made in this round; `None` when there is none. `jitter` in
/// 0..1 adds up to a tenth, so that what failed together is not tried together.
pub fn pause_after(failed: i32, jitter: f64) -> Option<TimeDelta> {
    let index = usize::try_from(failed - 1).ok()?;
    let seconds = *SCHEDULE.get(index)?;
    let extra = Duration::try_from_secs_f64(jitter.clamp(0.0, 1.0) * 0.1).unwrap_or_default();
    let base = TimeDelta::seconds(seconds);
    let share = i64::try_from(extra.as_micros()).unwrap_or(0);
    Some(base + TimeDelta::microseconds(seconds.saturating_mul(share)))
}

/// How long an endpoint is left alone after this many failures in a row; zero while there are few.
pub fn breaker_pause(consecutive_failures: i32) -> TimeDelta {
    let over = consecutive_failures - BREAKER_AFTER;
    if over < 0 {
        return TimeDelta::zero();
    }
    TimeDelta::seconds(30 << over.min(4)).min(TimeDelta::minutes(5))
}

/// The seconds of a `Retry-After` header: a number, or an HTTP date.
pub fn retry_after(header: &str, now: DateTime<Utc>) -> Option<TimeDelta> {
    let header = header.trim();
    let seconds = match header.parse::<i64>() {
        Ok(seconds) => seconds,
        Err(_) => (DateTime::parse_from_rfc2822(header).ok()?.to_utc() - now).num_seconds(),
    };
    Some(TimeDelta::seconds(seconds.clamp(0, LONGEST_RETRY_AFTER)))
}

/// A new secret as it is shown: `whsec_` and 32 bytes in Base64.
pub fn new_secret(bytes: [u8; 32]) -> String {
    format!("{SECRET_PREFIX}{}", STANDARD.encode(bytes))
}

/// The key inside a secret of 24 to 64 bytes; `None` when it is no such secret.
pub fn key_of(secret: &str) -> Option<Vec<u8>> {
    let key = STANDARD.decode(secret.strip_prefix(SECRET_PREFIX)?).ok()?;
    (24..=64).contains(&key.len()).then_some(key)
}

/// The `webhook-id` of a message.
pub fn message_id(id: Uuid) -> String {
    format!("msg_{}", id.simple())
}

/// The value of `webhook-signature`: one signature per key, newest key first.
pub fn signatures(keys: &[Vec<u8>], id: &str, timestamp: i64, body: &[u8]) -> String {
    let mut signed = format!("{id}.{timestamp}.").into_bytes();
    signed.extend_from_slice(body);
    let each: Vec<String> = keys
        .iter()
        .map(|key| format!("v1,{}", STANDARD.encode(hmac_sha256_plain(key, &signed))))
        .collect();
    each.join(" ")
}

#[derive(Serialize)]
struct Body<'a> {
    r#type: &'a str,
    timestamp: String,
    /// What is ordered: events with the same key are numbered without gaps for this endpoint.
    ordering_key: &'a str,
    sequence: i64,
    data: &'a Value,
}

/// The body of a delivery: `type`, `timestamp` and `data` as Standard Webhooks asks, with the place in its stream.
///
/// # Errors
/// The serialisation error of `data`.
pub fn body(
    event_type: &str,
    occurred_at: DateTime<Utc>,
    ordering_key: &str,
    sequence: i64,
    data: &Value,
) -> serde_json::Result<Vec<u8>> {
    serde_json::to_vec(&Body {
        r#type: event_type,
        timestamp: occurred_at.to_rfc3339_opts(SecondsFormat::Micros, true),
        ordering_key,
        sequence,
        data,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn the_signature_is_the_one_of_the_specification() {
        let key = key_of("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let body = br#"{"test": 2432232314}"#;
        assert_eq!(
            signatures(
                &[key.clone(), key],
                "msg_p5jXN8AQM9LWM0D4loKWxJek",
                1_614_265_330,
                body
            ),
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE= v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
        );
        assert_eq!(key_of("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"), None);
        assert_eq!(key_of("whsec_c2hvcnQ="), None);
        assert_eq!(key_of(&new_secret([7; 32])), Some(vec![7; 32]));
    }

    #[test]
    fn the_schedule_is_the_one_of_svix() {
        let pauses: Vec<i64> = (1..=7)
            .map(|n| pause_after(n, 0.0).unwrap().num_seconds())
            .collect();
        assert_eq!(pauses, SCHEDULE);
        assert_eq!(pauses.iter().sum::<i64>(), 27 * 3_600 + 35 * 60 + 5);
        assert_eq!(pause_after(8, 0.5), None);
        assert_eq!(pause_after(0, 0.5), None);
        assert_eq!(pause_after(2, 1.0).unwrap().num_seconds(), 330);
    }

    #[test]
    fn retry_after_is_read_in_both_forms() {
        let now = DateTime::parse_from_rfc3339("2026-01-01T00:00:00Z")
            .unwrap()
            .to_utc();
        assert_eq!(retry_after("120", now), Some(TimeDelta::seconds(120)));
        assert_eq!(
            retry_after("Thu, 01 Jan 2026 00:10:00 GMT", now),
            Some(TimeDelta::minutes(10))
        );
        assert_eq!(
            retry_after("Wed, 31 Dec 2025 00:10:00 GMT", now),
            Some(TimeDelta::zero())
        );
        assert_eq!(retry_after("999999999", now), Some(TimeDelta::days(1)));
        assert_eq!(retry_after("soon", now), None);
    }

    #[test]
    fn the_breaker_opens_late_and_not_for_long() {
        assert_eq!(breaker_pause(9), TimeDelta::zero());
        assert_eq!(breaker_pause(10), TimeDelta::seconds(30));
        assert_eq!(breaker_pause(1_000), TimeDelta::minutes(5));
    }

    #[test]
    fn a_body_is_the_same_each_time() {
        let at = DateTime::parse_from_rfc3339("2026-01-01T00:00:00Z")
            .unwrap()
            .to_utc();
        let text =
            String::from_utf8(body("payment.success", at, "k", 3, &json!({"a": 1})).unwrap())
                .unwrap();
        assert_eq!(
            text,
            r#"{"type":"payment.success","timestamp":"2026-01-01T00:00:00.000000Z","ordering_key":"k","sequence":3,"data":{"a":1}}"#
        );
    }

    proptest! {
        #[test]
        fn no_pause_is_shorter_than_the_schedule_or_longer_by_more_than_a_tenth(n in 1i32..=7, jitter in 0.0f64..1.0) {
            let pause = pause_after(n, jitter).unwrap().num_milliseconds();
            let base = SCHEDULE[usize::try_from(n - 1).unwrap()] * 1_000;
            prop_assert!(pause >= base && pause <= base + base / 10);
        }

        #[test]
        fn no_secret_or_header_panics(text in ".{0,80}") {
            let _ = (key_of(&text), retry_after(&text, DateTime::UNIX_EPOCH));
        }
    }
}
