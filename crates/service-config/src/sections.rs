//! Sections that many services share. Every section refuses unknown keys.

mod defaults;
mod peers;

use crate::{Secret, Validate, all, rule};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::Deserialize;
use std::collections::BTreeMap;
use url::Url;

pub use peers::PeerSettings;

/// Where and how a service listens.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServerSettings {
    /// Address to bind.
    #[serde(default = "defaults::host")]
    pub host: String,
    /// Port of `serve`; 0 takes any free one.
    pub port: u16,
    /// Port of the worker's health and metrics; 0 takes any free one.
    #[serde(default)]
    pub worker_port: u16,
    /// Actix workers; 0 means one per core.
    #[serde(default)]
    pub workers: usize,
    /// How long running requests may finish after SIGTERM.
    #[serde(default = "defaults::shutdown")]
    pub shutdown_timeout_seconds: u64,
    /// The address under which people reach the platform, without a final slash; may be empty.
    #[serde(default)]
    pub public_url: String,
}

impl Validate for ServerSettings {
    fn validate(&self) -> Result<(), Vec<String>> {
        all([
            rule(!self.host.is_empty(), "server.host must not be empty"),
            rule(
                (1..=600).contains(&self.shutdown_timeout_seconds),
                "server.shutdown_timeout_seconds must be 1 to 600",
            ),
            rule(
                self.public_url.is_empty() || is_url(&self.public_url),
                "server.public_url must be an http(s) address",
            ),
        ])
    }
}

/// The service's PostgreSQL database.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DatabaseSettings {
    /// Address with role and password the service works as.
    pub url: Secret,
    /// Address of the owner role that migrates; `url` when absent.
    #[serde(default)]
    pub migration_url: Option<Secret>,
    /// Connections of one process.
    #[serde(default = "defaults::connections")]
    pub max_connections: usize,
    /// A statement that runs longer is cancelled; milliseconds.
    #[serde(default = "defaults::statement")]
    pub statement_timeout_ms: u64,
    /// A statement that waits longer for a lock is cancelled; milliseconds.
    #[serde(default = "defaults::lock")]
    pub lock_timeout_ms: u64,
    /// A transaction that idles longer is ended; milliseconds.
    #[serde(default = "defaults::idle")]
    pub idle_in_transaction_timeout_ms: u64,
}

impl Validate for DatabaseSettings {
    fn validate(&self) -> Result<(), Vec<String>> {
        let postgres = |s: &Secret| {
            Url::parse(s.expose()).is_ok_and(|u| matches!(u.scheme(), "postgres" | "postgresql"))
        };
        all([
            rule(
                postgres(&self.url),
                "database.url must be a postgres:// address",
            ),
            rule(
                self.migration_url.as_ref().is_none_or(postgres),
                "database.migration_url must be a postgres:// address",
            ),
            rule(
                (1..=500).contains(&self.max_connections),
                "database.max_connections must be 1 to 500",
            ),
            rule(
                self.lock_timeout_ms <= self.statement_timeout_ms,
                "database.lock_timeout_ms must not exceed statement_timeout_ms",
            ),
        ])
    }
}

/// Redis.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RedisSettings {
    /// Address with password.
    pub url: Secret,
    /// Put before every key.
    #[serde(default = "defaults::prefix")]
    pub prefix: String,
}

impl Validate for RedisSettings {
    fn validate(&self) -> Result<(), Vec<String>> {
        let ok =
            Url::parse(self.url.expose()).is_ok_and(|u| matches!(u.scheme(), "redis" | "rediss"));
        rule(ok, "redis.url must be a redis:// or rediss:// address")
    }
}

/// RabbitMQ.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AmqpSettings {
    /// Address with user, password and virtual host.
    pub url: Secret,
    /// Put before every exchange and queue.
    #[serde(default = "defaults::prefix")]
    pub prefix: String,
}

impl Validate for AmqpSettings {
    fn validate(&self) -> Result<(), Vec<String>> {
        let ok =
            Url::parse(self.url.expose()).is_ok_and(|u| matches!(u.scheme(), "amqp" | "amqps"));
        rule(ok, "amqp.url must be an amqp:// or amqps:// address")
    }
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// One JSON object per line.
    #[default]
    Json,
    /// For people at a terminal.
    Text,
}

/// Logs and traces.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TelemetrySettings {
    /// How log lines look.
    #[serde(default)]
    pub log_format: LogFormat,
    /// Which events are logged, in tracing's filter syntax.
    #[serde(default = "defaults::filter")]
    pub filter: String,
    /// OTLP/HTTP base address, without `/v1/traces`; no traces leave when absent.
    #[serde(default)]
    pub otlp_endpoint: Option<String>,
}

impl Default for TelemetrySettings {
    fn default() -> Self {
        Self {
            log_format: LogFormat::Json,
            filter: defaults::filter(),
            otlp_endpoint: None,
        }
    }
}

impl Validate for TelemetrySettings {
    fn validate(&self) -> Result<(), Vec<String>> {
        let ok = self
            .otlp_endpoint
            .as_deref()
            .is_none_or(|e| e.is_empty() || is_url(e));
        rule(ok, "telemetry.otlp_endpoint must be an http(s) address")
    }
}

/// How tokens are checked and service tokens fetched.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuthSettings {
    /// Issuer of access and service tokens.
    #[serde(default = "defaults::issuer")]
    pub issuer: String,
    /// Issuer of portal sessions.
    #[serde(default = "defaults::portal_issuer")]
    pub portal_issuer: String,
    /// Keys of auth-otp.
    #[serde(default = "defaults::jwks_url")]
    pub jwks_url: String,
    /// Keys of portal.
    #[serde(default = "defaults::portal_jwks_url")]
    pub portal_jwks_url: String,
    /// Revocations of auth-otp.
    #[serde(default = "defaults::revocations_url")]
    pub revocations_url: String,
    /// Revocations of portal.
    #[serde(default = "defaults::portal_revocations_url")]
    pub portal_revocations_url: String,
    /// This service's name in the client-credentials grant.
    pub client_id: String,
    /// Its secret.
    pub client_secret: Secret,
    /// Where service tokens come from.
    #[serde(default = "defaults::token_url")]
    pub token_url: String,
    /// Key under which the gateway MACs the client's IP.
    pub client_ip_key: Secret,
    /// How often revocations are polled; milliseconds.
    #[serde(default = "defaults::poll")]
    pub revocation_poll_ms: u64,
}

impl Validate for AuthSettings {
    fn validate(&self) -> Result<(), Vec<String>> {
        let urls = [
            ("jwks_url", &self.jwks_url),
            ("portal_jwks_url", &self.portal_jwks_url),
            ("revocations_url", &self.revocations_url),
            ("portal_revocations_url", &self.portal_revocations_url),
            ("token_url", &self.token_url),
        ];
        let mut outcomes: Vec<_> = urls
            .iter()
            .map(|(name, value)| {
                rule(
                    is_url(value),
                    &format!("auth.{name} must be an http(s) address"),
                )
            })
            .collect();
        outcomes.push(rule(
            !self.issuer.is_empty(),
            "auth.issuer must not be empty",
        ));
        outcomes.push(rule(
            self.issuer != self.portal_issuer,
            "auth.issuer and auth.portal_issuer must differ",
        ));
        outcomes.push(rule(
            !self.client_id.is_empty(),
            "auth.client_id must not be empty",
        ));
        outcomes.push(rule(
            (100..=30_000).contains(&self.revocation_poll_ms),
            "auth.revocation_poll_ms must be 100 to 30000",
        ));
        all(outcomes)
    }
}

/// Keys that seal values at rest. Old keys stay listed until nothing is sealed under them.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SealingSettings {
    /// The key that seals from now on.
    pub active_key_id: String,
    /// Every key by id: base64 of 32 bytes.
    pub keys: BTreeMap<String, Secret>,
}

impl SealingSettings {
    /// The raw keys by id.
    ///
    /// # Errors
    /// A sentence naming the key that is not base64 of 32 bytes.
    pub fn raw_keys(&self) -> Result<BTreeMap<String, [u8; 32]>, String> {
        self.keys
            .iter()
            .map(|(id, key)| {
                STANDARD
                    .decode(key.expose().trim())
                    .ok()
                    .and_then(|bytes| <[u8; 32]>::try_from(bytes).ok())
                    .map(|raw| (id.clone(), raw))
                    .ok_or_else(|| format!("sealing.keys.{id} must be base64 of 32 bytes"))
            })
            .collect()
    }
}

impl Validate for SealingSettings {
    fn validate(&self) -> Result<(), Vec<String>> {
        let plain = |id: &String| {
            !id.is_empty()
                && id.len() <= 32
                && id
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
        };
        all([
            rule(
                self.keys.contains_key(&self.active_key_id),
                "sealing.active_key_id must be one of sealing.keys",
            ),
            rule(
                self.keys.keys().all(plain),
                "sealing.keys: an id has 1 to 32 letters, digits, - or _",
            ),
            self.raw_keys().map(drop).map_err(|e| vec![e]),
        ])
    }
}

fn is_url(text: &str) -> bool {
    Url::parse(text).is_ok_and(|u| matches!(u.scheme(), "http" | "https") && u.has_host())
}
