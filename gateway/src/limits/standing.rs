//! What an admitted call is told about its budget (IETF draft-ietf-httpapi-ratelimit-headers).

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use bytes::BytesMut;

use crate::routes::LimitPolicy;

static RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
static RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// What is left of a budget after a call was taken from it.
#[derive(Debug, Clone)]
pub struct Standing {
    policy: Arc<LimitPolicy>,
    calls: u32,
    left: u32,
    back: Duration,
}

impl Standing {
    /// `calls` as they hold in this environment, how many are left of them, and when all are back.
    pub(super) fn new(policy: &Arc<LimitPolicy>, calls: u32, left: u32, back: Duration) -> Self {
        Self {
            policy: Arc::clone(policy),
            calls,
            left: left.min(calls),
            back,
        }
    }

    /// The one with fewer calls left: it will refuse first.
    pub fn tighter(one: Option<Self>, other: Option<Self>) -> Option<Self> {
        match (one, other) {
            (Some(one), Some(other)) => Some(if other.left < one.left { other } else { one }),
            (one, other) => one.or(other),
        }
    }

    /// Writes `RateLimit-Policy` and `RateLimit`, unless the service has told of a limit of its own.
    pub fn write(&self, headers: &mut HeaderMap) {
        if headers.contains_key(&RATE_LIMIT) {
            return;
        }
        let policy = self.policy.shown.get_or_init(|| {
            value(format_args!(
                "\"{}\";q={};w={}",
                self.policy.name, self.calls, self.policy.window_seconds
            ))
        });
        headers.insert(RATE_LIMIT_POLICY.clone(), policy.clone());
        let seconds = self.back.as_secs() + u64::from(self.back.subsec_nanos() > 0);
        let left = value(format_args!(
            "\"{}\";r={};t={seconds}",
            self.policy.name, self.left
        ));
        headers.insert(RATE_LIMIT.clone(), left);
    }
}

/// A value without a second copy of its text.
fn value(text: std::fmt::Arguments<'_>) -> HeaderValue {
    let mut bytes = BytesMut::with_capacity(64);
    // Writing to a buffer that grows cannot fail, and names of limits are plain.
    let _ = bytes.write_fmt(text);
    HeaderValue::from_maybe_shared(bytes.freeze()).unwrap_or_else(|_| HeaderValue::from_static(""))
}
