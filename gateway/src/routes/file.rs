//! The table as it stands in TOML. Unknown keys are refused with their name.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;

use super::{CallerKind, LimitBy, Retry, Shape};

/// A whole file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RouteFile {
    /// What an entry leaves out.
    pub defaults: Defaults,
    /// Named rate limits.
    pub limits: BTreeMap<String, LimitEntry>,
    /// The entries.
    pub route: Vec<RouteEntry>,
}

/// Values for what an entry leaves out.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Defaults {
    /// See [`RouteEntry::callers`].
    pub callers: Vec<CallerKind>,
    /// See [`RouteEntry::body_bytes`].
    pub body_bytes: u64,
    /// See [`RouteEntry::timeout_ms`].
    pub timeout_ms: u64,
    /// See [`RouteEntry::body_timeout_ms`].
    pub body_timeout_ms: u64,
    /// See [`RouteEntry::retry`].
    pub retry: Retry,
    /// See [`RouteEntry::limits`].
    pub limits: Vec<String>,
    /// Name of the limit that every routed call is counted by.
    pub every_call: Option<String>,
    /// See [`RouteEntry::language`].
    pub language: String,
    /// See [`RouteEntry::shape`].
    pub shape: Shape,
}

/// A named rate limit.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LimitEntry {
    /// Calls in one window; at least 1.
    pub calls: u32,
    /// Seconds; at least 1.
    pub window_seconds: u32,
    /// What is counted.
    pub by: LimitBy,
    /// Exact in Redis.
    #[serde(default)]
    pub strict: bool,
}

/// One entry.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RouteEntry {
    /// Path prefix by whole segments; `{digits}` and `{segment}` stand for one segment.
    pub prefix: String,
    /// Name of the service.
    pub service: String,
    /// Who may call.
    pub callers: Option<Vec<CallerKind>>,
    /// Methods; absent means all.
    #[serde(default)]
    pub methods: Vec<String>,
    /// Nothing below the prefix.
    #[serde(default)]
    pub exact: bool,
    /// The most bytes of a request body.
    pub body_bytes: Option<u64>,
    /// Milliseconds until the answer must have begun.
    pub timeout_ms: Option<u64>,
    /// Milliseconds until the request body must be complete; 0 = only the minimum rate counts.
    pub body_timeout_ms: Option<u64>,
    /// Repeat policy.
    pub retry: Option<Retry>,
    /// Names of rate limits.
    pub limits: Option<Vec<String>>,
    /// fa, fr or en.
    pub language: Option<String>,
    /// Shape of refusals.
    pub shape: Option<Shape>,
    /// WebSocket handshakes only.
    #[serde(default)]
    pub websocket: bool,
    /// Query parameter with the token.
    pub token_query: Option<String>,
    /// Keep path and query out of logs.
    #[serde(default)]
    pub secret_path: bool,
    /// Only in development and test.
    #[serde(default)]
    pub development_only: bool,
}

/// Everything that is wrong with a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableError(pub Vec<String>);

impl fmt::Display for TableError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "the route table is wrong: {}", self.0.join("; "))
    }
}

impl std::error::Error for TableError {}
