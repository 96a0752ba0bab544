//! Webhooks in and out, and the virus scanner.

use ipnet::IpNet;
use serde::Deserialize;
use service_config::{Environment, Secret, Validate, all, rule};

use crate::outgoing::guard::Rules;

/// `[webhooks]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WebhookSettings {
    /// Largest body.
    pub max_body_bytes: usize,
    /// Seconds in the past.
    pub tolerance_past_seconds: i64,
    /// Seconds in the future.
    pub tolerance_future_seconds: i64,
    /// Samples per endpoint and day.
    pub quarantine_cap: i64,
    /// Secret of `payment-status`.
    #[serde(default)]
    pub payment_status_secret: Option<Secret>,
    /// Signing secret of Stripe's endpoint; with it the endpoint `stripe` exists.
    #[serde(default)]
    pub stripe_secret: Option<Secret>,
    /// Signing secret of Wave's webhook; with it the endpoint `wave` exists.
    #[serde(default)]
    pub wave_secret: Option<Secret>,
}

/// `[scanner]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScannerSettings {
    /// `host:port` of clamd; empty: none.
    pub address: String,
    /// Seconds that it may take for one step.
    pub timeout_seconds: u64,
}

/// `[outgoing]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OutgoingSettings {
    /// Unset: by environment.
    #[serde(default)]
    pub allow_http: Option<bool>,
    /// Networks that may be posted to although they are not public.
    pub allowed_networks: Vec<String>,
    /// Posts at a time.
    pub concurrency: usize,
    /// Posts at a time to one endpoint.
    pub per_endpoint: i64,
    /// Milliseconds between looks at the queue.
    pub poll_ms: u64,
    /// Days that messages are kept.
    pub retention_days: i64,
    /// Endpoints an organisation may have.
    pub endpoints_per_organization: i64,
}

impl Validate for WebhookSettings {
    fn validate(&self) -> Result<(), Vec<String>> {
        all([
            rule(
                (1_024..=10 * 1024 * 1024).contains(&self.max_body_bytes),
                "webhooks.max_body_bytes must be 1 KB to 10 MB",
            ),
            rule(
                (0..=10_000).contains(&self.quarantine_cap),
                "webhooks.quarantine_cap must be 0 to 10000",
            ),
        ])
    }
}

impl Validate for ScannerSettings {
    fn validate(&self) -> Result<(), Vec<String>> {
        all([
            rule(
                self.address.is_empty() || self.address.contains(':'),
                "scanner.address must be host:port",
            ),
            rule(
                (1..=300).contains(&self.timeout_seconds),
                "scanner.timeout_seconds must be 1 to 300",
            ),
        ])
    }
}

impl OutgoingSettings {
    /// What cannot be worked with.
    ///
    /// # Errors
    /// Every rule that is broken, in words.
    pub fn validate(&self, environment: Environment) -> Result<(), Vec<String>> {
        all([
            rule(
                environment != Environment::Production || self.allow_http != Some(true),
                "outgoing.allow_http must not be on in production",
            ),
            rule(
                self.allowed_networks
                    .iter()
                    .all(|text| text.parse::<IpNet>().is_ok()),
                "outgoing.allowed_networks must hold networks such as 10.1.0.0/16",
            ),
            rule(
                (1..=256).contains(&self.concurrency) && (1..=64).contains(&self.per_endpoint),
                "outgoing.concurrency must be 1 to 256 and outgoing.per_endpoint 1 to 64",
            ),
            rule(self.poll_ms >= 20, "outgoing.poll_ms must be at least 20"),
            rule(
                self.retention_days >= 6,
                "outgoing.retention_days must be at least 6: an endpoint may fail for 5 days before it is switched off",
            ),
        ])
    }

    /// What may be posted to; a network that cannot be read was refused by [`Validate`].
    pub fn rules(&self, environment: Environment) -> Rules {
        Rules {
            allow_http: self
                .allow_http
                .unwrap_or(environment != Environment::Production),
            allowed: self
                .allowed_networks
                .iter()
                .filter_map(|text| text.parse().ok())
                .collect(),
        }
    }
}
