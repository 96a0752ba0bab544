//! The settings of content, see `settings.default.toml`.

use serde::Deserialize;
use service_config::{
    AmqpSettings, AuthSettings, DatabaseSettings, Environment, PeerSettings, RedisSettings,
    ServerSettings, TelemetrySettings, Validate, all, rule,
};

/// Everything that can be set.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Kind of installation.
    pub environment: Environment,
    /// Addresses.
    pub server: ServerSettings,
    /// The service's database.
    pub database: DatabaseSettings,
    /// Redis.
    pub redis: RedisSettings,
    /// RabbitMQ.
    pub amqp: AmqpSettings,
    /// Logs, traces.
    pub telemetry: TelemetrySettings,
    /// Issuers, this service's client.
    pub auth: AuthSettings,
    /// Where the other services are.
    #[serde(default)]
    pub peers: PeerSettings,
    /// How texts are generated.
    pub generation: GenerationSettings,
    /// How usage is counted.
    pub usage: UsageSettings,
}

/// How texts are generated.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GenerationSettings {
    /// Jobs that one worker runs at the same time.
    pub concurrency: usize,
    /// Seconds that one call to integrations may take.
    pub timeout_seconds: u64,
    /// Seconds after which the job of a dead worker is taken by another.
    pub claim_seconds: i64,
    /// Tries after the first.
    pub max_retries: i32,
    /// Generations that one person may ask for in a minute.
    pub per_minute: u32,
    /// Lets a writer change the text of an own draft.
    pub writer_edit_own_draft: bool,
}

/// How usage is counted.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UsageSettings {
    /// Minutes that the clinic's day begins before UTC's.
    pub utc_offset_minutes: i32,
    /// US cents a month for a workspace without a limit; 0 sets no bound.
    pub default_monthly_budget_cents: i64,
}

impl Validate for Settings {
    fn validate(&self) -> Result<(), Vec<String>> {
        let generation = &self.generation;
        all([
            self.server.validate(),
            self.database.validate(),
            self.auth.validate(),
            self.peers.validate(),
            rule(
                (1..=64).contains(&generation.concurrency),
                "generation.concurrency must be 1 to 64",
            ),
            rule(
                (1..=300).contains(&generation.timeout_seconds),
                "generation.timeout_seconds must be 1 to 300",
            ),
            rule(
                (3..=600).contains(&generation.claim_seconds),
                "generation.claim_seconds must be 3 to 600",
            ),
            rule(
                (0..=20).contains(&generation.max_retries),
                "generation.max_retries must be 0 to 20",
            ),
            rule(
                generation.per_minute > 0,
                "generation.per_minute must be above 0",
            ),
            rule(
                (-720..=840).contains(&self.usage.utc_offset_minutes),
                "usage.utc_offset_minutes must be -720 to 840",
            ),
            rule(
                self.usage.default_monthly_budget_cents >= 0,
                "usage.default_monthly_budget_cents must not be negative",
            ),
        ])
    }
}

service_http::common_sections!(Settings);
