//! Settings of this service; `settings.default.toml` explains every key.

use std::collections::BTreeMap;

use serde::Deserialize;
use service_config::{
    Alias, AmqpSettings, AuthSettings, DatabaseSettings, Environment, PeerSettings, RedisSettings,
    SealingSettings, Secret, ServerSettings, TelemetrySettings, Validate, all, rule,
};

/// Settings of integrations.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Kind of installation.
    #[serde(default)]
    pub environment: Environment,
    /// Addresses and shutdown.
    pub server: ServerSettings,
    /// The service's database.
    pub database: DatabaseSettings,
    /// Redis.
    pub redis: RedisSettings,
    /// RabbitMQ.
    pub amqp: AmqpSettings,
    /// Logs, traces, metrics.
    pub telemetry: TelemetrySettings,
    /// Issuers, keys, this service's client.
    pub auth: AuthSettings,
    /// Other services.
    pub peers: PeerSettings,
    /// Keys of sealed values.
    pub sealing: SealingSettings,
    /// Stand-ins for providers.
    #[serde(default)]
    pub development: DevelopmentSettings,
    /// Outgoing messages.
    pub messages: MessageSettings,
    /// Incoming webhooks.
    pub webhooks: WebhookSettings,
    /// Kavenegar.
    pub kavenegar: KavenegarSettings,
    /// E-mail.
    pub smtp: SmtpSettings,
    /// OpenAI.
    pub openai: AiProviderSettings,
    /// TalkBot.
    pub talkbot: AiProviderSettings,
    /// AI calls.
    pub ai: AiSettings,
}

service_http::common_sections!(Settings);

/// `[development]`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DevelopmentSettings {
    /// Unset: by environment.
    pub stand_ins: Option<bool>,
    /// Key of the sandbox payment provider.
    pub sandbox_api_key: Option<Secret>,
}

/// `[messages]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MessageSettings {
    /// Milliseconds for all providers.
    pub synchronous_total_ms: u64,
    /// Milliseconds for one.
    pub per_provider_ms: u64,
    /// Milliseconds between looks at the queue.
    pub poll_ms: u64,
    /// Messages at a time.
    pub batch: i64,
    /// Hours until a queued message is given up.
    pub give_up_hours: i64,
    /// Texts per person and hour.
    pub per_user_hour: u32,
}

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
}

/// `[kavenegar]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KavenegarSettings {
    /// API key.
    #[serde(default)]
    pub api_key: Option<Secret>,
    /// Base address.
    pub base_url: String,
    /// Line.
    pub sender: String,
}

/// `[smtp]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SmtpSettings {
    /// Server with credentials.
    #[serde(default)]
    pub url: Option<Secret>,
    /// From address.
    pub from: String,
}

/// `[openai]`, `[talkbot]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AiProviderSettings {
    /// API key.
    #[serde(default)]
    pub api_key: Option<Secret>,
    /// Base address.
    pub base_url: String,
    /// Model when none is named.
    pub default_model: String,
}

/// Price of a model in millionths of a US dollar per 1,000 tokens.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Price {
    /// Of the prompt.
    pub prompt: i64,
    /// Of the answer.
    pub completion: i64,
}

/// `[ai]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AiSettings {
    /// Seconds for one call.
    pub timeout_seconds: u64,
    /// Prices by model; `default` for the rest.
    pub prices: BTreeMap<String, Price>,
}

/// Names of the replaced systems that still work (I07).
pub const ALIASES: &[Alias] = &[
    Alias::new("KAVENEGAR_API_KEY", "kavenegar.api_key"),
    Alias::new("KAVENEGAR_SENDER", "kavenegar.sender"),
    Alias::new("OPENAI_API_KEY", "openai.api_key"),
    Alias::new("OPENAI_DEFAULT_MODEL", "openai.default_model"),
    Alias::new("TALKBOT_API_KEY", "talkbot.api_key"),
    Alias::new("TALKBOT_BASE_URL", "talkbot.base_url"),
    Alias::new("WEBHOOK_SECRET", "webhooks.payment_status_secret"),
];

impl Settings {
    /// Whether the development inbox, the sandbox and the built-in text maker may be used.
    pub fn stand_ins(&self) -> bool {
        self.development
            .stand_ins
            .unwrap_or(self.environment != Environment::Production)
    }
}

impl Validate for Settings {
    fn validate(&self) -> Result<(), Vec<String>> {
        let url = |name: &str, value: &str| {
            let sound =
                url::Url::parse(value).is_ok_and(|url| matches!(url.scheme(), "http" | "https"));
            rule(
                sound && !value.ends_with('/'),
                &format!("{name} must be an http(s) address without a final slash"),
            )
        };
        all([
            self.server.validate(),
            self.database.validate(),
            self.redis.validate(),
            self.amqp.validate(),
            self.telemetry.validate(),
            self.auth.validate(),
            self.peers.validate(),
            self.sealing.validate(),
            rule(
                self.environment != Environment::Production || !self.stand_ins(),
                "development.stand_ins (inbox, sandbox payments, built-in text maker) must not be on in production",
            ),
            rule(
                self.messages.per_provider_ms > 0
                    && self.messages.per_provider_ms <= self.messages.synchronous_total_ms,
                "messages.per_provider_ms must be positive and at most synchronous_total_ms",
            ),
            rule(
                self.messages.poll_ms >= 50,
                "messages.poll_ms must be at least 50",
            ),
            rule(
                (1..=1_000).contains(&self.messages.batch),
                "messages.batch must be 1 to 1000",
            ),
            rule(
                (1_024..=10 * 1024 * 1024).contains(&self.webhooks.max_body_bytes),
                "webhooks.max_body_bytes must be 1 KB to 10 MB",
            ),
            rule(
                self.ai.prices.contains_key("default"),
                "ai.prices.default is missing",
            ),
            rule(
                self.ai
                    .prices
                    .values()
                    .all(|price| price.prompt >= 0 && price.completion >= 0),
                "ai.prices must not be negative",
            ),
            url("kavenegar.base_url", &self.kavenegar.base_url),
            url("openai.base_url", &self.openai.base_url),
            url("talkbot.base_url", &self.talkbot.base_url),
        ])
    }
}
