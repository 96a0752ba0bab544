//! The id of a request: given by the client or the gateway, else made here; echoed, logged and passed on.

use std::time::{SystemTime, UNIX_EPOCH};

use uuid::Builder;

/// Name of the header, in both directions.
pub const REQUEST_ID_HEADER: &str = "x-request-id";

/// The id of the running request; a request extension set by [`crate::RequestTracing`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestId(String);

impl RequestId {
    /// `text` when it is 1 to 128 letters, digits, `.`, `_` or `-`; anything else could forge log lines and is not taken.
    #[must_use]
    pub fn accept(text: &str) -> Option<Self> {
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
        ((1..=128).contains(&text.len()) && text.bytes().all(plain)).then(|| Self(text.to_owned()))
    }

    /// A fresh id (UUIDv7). Its random part comes from the thread's generator: asking the system for each one shows in
    /// the gateway's profile.
    #[must_use]
    pub fn fresh() -> Self {
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let millis = u64::try_from(since.as_millis()).unwrap_or(u64::MAX);
        let id = Builder::from_unix_timestamp_millis(millis, &rand::random()).into_uuid();
        Self(id.to_string())
    }

    /// The id's text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for RequestId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

tokio::task_local! {
    pub(crate) static CURRENT: RequestId;
}

/// The id of the request that this task serves, when it serves one.
#[must_use]
pub fn current_request_id() -> Option<String> {
    CURRENT.try_with(|id| id.0.clone()).ok()
}

/// Gives the running request's id to a future that will run as a task of its own.
pub fn with_current_request_id<F: Future>(future: F) -> impl Future<Output = F::Output> {
    let id = CURRENT.try_with(Clone::clone).ok();
    async move {
        match id {
            Some(id) => CURRENT.scope(id, future).await,
            None => future.await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_ids_are_accepted() {
        assert!(RequestId::accept("0190-abc_DEF.7").is_some());
        for bad in ["", "a b", "a\nb", "é", &"x".repeat(129)] {
            assert!(RequestId::accept(bad).is_none(), "{bad:?}");
        }
    }
}
