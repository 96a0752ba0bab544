//! The route table: which paths exist, who serves them, who may call them and what they may cost.
//!
//! It is data (`gateway/routes.toml`, embedded; another file by setting), read and checked at start and on SIGHUP.
//! The longest prefix wins; a literal segment beats a placeholder. `/internal` cannot be routed at all.

mod check;
mod file;
mod tree;

use std::collections::BTreeSet;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

pub use file::{RouteFile, TableError};
pub use tree::Found;

use actix_web::http::header::HeaderValue;
use common_types::Language;

/// The table that is compiled in.
pub const EMBEDDED: &str = include_str!("../../routes.toml");

/// The services that a route may name, in the order of their ports.
pub const SERVICES: [&str; 8] = [
    "auth-otp",
    "patient-access",
    "payments",
    "portal",
    "content",
    "integrations",
    "chat",
    "simulators",
];

/// A kind of credential that opens a route at the gateway. The service decides again, and finer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CallerKind {
    /// No credential. A Bearer that does not verify is removed before the service sees it.
    Public,
    /// A person's access token.
    User,
    /// A patient's portal session, as cookie or Bearer.
    Portal,
    /// A partner's API key; only its presence is checked here, the service asks auth-otp.
    ApiKey,
}

/// When a failed call may be repeated on another instance or a fresh connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Retry {
    /// GET, HEAD, OPTIONS and calls with `Idempotency-Key`, when no byte of an answer has come.
    Safe,
    /// Never.
    Never,
}

/// The body shape in which the gateway's own refusals are written on a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Shape {
    /// Problem details with Django REST Framework's members.
    Drf,
    /// Contexor's envelope `{success:false,error,errors,code,timestamp}`.
    V1,
    /// OpenAI's `{error:{message,type,code}}`.
    Openai,
}

/// What a rate limit counts by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LimitBy {
    /// The client's address.
    Ip,
    /// The caller's token subject, else the address.
    Caller,
    /// The caller's organisation, else the caller.
    Organization,
}

/// A named rate limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LimitPolicy {
    /// Name in the table; part of the counter's key and of the `RateLimit-Policy` header.
    pub name: String,
    /// Calls in one window.
    pub calls: u32,
    /// Window in seconds.
    pub window_seconds: u32,
    /// What is counted.
    pub by: LimitBy,
    /// Counted exactly in Redis at each call (log-in, SMS, AI, money); otherwise workers lease permits in batches.
    pub strict: bool,
    /// The `RateLimit-Policy` header, written at the first answer.
    pub shown: OnceLock<HeaderValue>,
}

/// One entry of the table, complete: defaults are already filled in.
#[derive(Debug, Clone)]
pub struct Route {
    /// The prefix as written, without the final slash; also the route's name in metrics.
    pub prefix: String,
    /// Index of this entry in its table.
    pub index: usize,
    /// Index into [`SERVICES`].
    pub service: usize,
    /// Any of these opens it.
    pub callers: Vec<CallerKind>,
    /// Methods that are routed; empty means all of GET, HEAD, POST, PUT, PATCH, DELETE.
    pub methods: BTreeSet<String>,
    /// Only the prefix itself, nothing below it.
    pub exact: bool,
    /// The most bytes of a request body.
    pub body_bytes: u64,
    /// Until the service's answer must have begun.
    pub timeout: Duration,
    /// Until an upload must be complete; `None` for bodies of any duration above the minimum rate.
    pub body_timeout: Option<Duration>,
    /// Repeat policy.
    pub retry: Retry,
    /// Rate limits, checked in this order.
    pub limits: Vec<Arc<LimitPolicy>>,
    /// Language of literal texts when the route belongs to a system that spoke one language only.
    pub language: Language,
    /// Body shape of refusals.
    pub shape: Shape,
    /// Only WebSocket handshakes are accepted.
    pub websocket: bool,
    /// Query parameter that may carry the access token (WebSockets of browsers cannot set headers).
    pub token_query: Option<String>,
    /// Path and query hold a secret: logs show the prefix only.
    pub secret_path: bool,
    /// Served only when the environment is development or test.
    pub development_only: bool,
}

impl Route {
    /// Whether no credential is needed.
    pub fn is_public(&self) -> bool {
        self.callers.contains(&CallerKind::Public)
    }

    /// Whether the method is routed.
    pub fn allows(&self, method: &str) -> bool {
        if self.methods.is_empty() {
            matches!(method, "GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE")
        } else {
            self.methods.contains(method) || (method == "HEAD" && self.methods.contains("GET"))
        }
    }

    /// The service's name.
    pub fn service_name(&self) -> &'static str {
        SERVICES[self.service]
    }
}

/// A checked table.
#[derive(Debug)]
pub struct RouteTable {
    routes: Vec<Arc<Route>>,
    tree: tree::Node,
    /// Applied to every routed call, by client address.
    every_call: Option<Arc<LimitPolicy>>,
}

impl RouteTable {
    /// Reads and checks a table.
    ///
    /// # Errors
    /// All that is wrong with it, each with the entry's prefix.
    pub fn parse(text: &str, development: bool) -> Result<Self, TableError> {
        let file: RouteFile =
            toml::from_str(text).map_err(|error| TableError(vec![error.to_string()]))?;
        let (routes, every_call) = check::build(file, development)?;
        let tree = tree::Node::build(&routes);
        Ok(Self {
            routes,
            tree,
            every_call,
        })
    }

    /// The entry for a canonical path and method.
    pub fn find(&self, path: &str, method: &str) -> Found<'_> {
        self.tree.find(path, method)
    }

    /// All entries, as written.
    pub fn routes(&self) -> &[Arc<Route>] {
        &self.routes
    }

    /// The limit of every routed call.
    pub fn every_call(&self) -> Option<&Arc<LimitPolicy>> {
        self.every_call.as_ref()
    }
}

/// Beginnings of paths that belong to machines: an unknown path there is a 404 document, not the web application.
pub fn is_api(path: &str) -> bool {
    [
        "/api",
        "/v1",
        "/crazyminer",
        "/ws",
        "/media",
        "/internal",
        "/dev",
        "/.well-known",
        "/health",
        "/metrics",
    ]
    .iter()
    .any(|prefix| {
        path.strip_prefix(prefix)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    })
}

#[cfg(test)]
mod tests;
