//! Settings of this service; `settings.default.toml` explains every key.

mod sms;
mod webhooks;

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use file_store::{Backend, FileStore, FileStoreSettings};
use serde::Deserialize;
use service_config::{
    Alias, AmqpSettings, AuthSettings, DatabaseSettings, Environment, PeerSettings, RedisSettings,
    SealingSettings, Secret, ServerSettings, TelemetrySettings, Validate, all, rule,
};

use crate::providers::ai::openai::Times;

pub use sms::{
    HttpSmsProviderSettings, MeliPayamakSettings, MessageSettings, OrangeSettings, ParsianSettings,
    TwilioSettings,
};
pub use webhooks::{OutgoingSettings, ScannerSettings, WebhookSettings};

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
    /// Credentials of providers.
    pub credentials: CredentialSettings,
    /// Incoming webhooks.
    pub webhooks: WebhookSettings,
    /// Outgoing webhooks.
    pub outgoing: OutgoingSettings,
    /// Uploaded files.
    pub files: FileStoreSettings,
    /// The virus scanner.
    pub scanner: ScannerSettings,
    /// Kavenegar.
    pub kavenegar: KavenegarSettings,
    /// MeliPayamak.
    pub melipayamak: MeliPayamakSettings,
    /// Parsian.
    pub parsian: ParsianSettings,
    /// Twilio.
    pub twilio: TwilioSettings,
    /// Orange.
    pub orange: OrangeSettings,
    /// Any HTTP service.
    #[serde(default)]
    pub http_sms: HttpSmsProviderSettings,
    /// E-mail.
    pub smtp: SmtpSettings,
    /// OpenAI.
    pub openai: AiProviderSettings,
    /// TalkBot.
    pub talkbot: AiProviderSettings,
    /// Anthropic.
    pub anthropic: AiProviderSettings,
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

/// `[credentials]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CredentialSettings {
    /// Days before its end at which a credential is warned of.
    pub expiry_warning_days: i64,
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
    /// Country codes that it carries.
    pub prefixes: Vec<String>,
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
    /// PEM file of a certificate authority of the clinic's own.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
}

/// `[openai]`, `[talkbot]`, `[anthropic]`.
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
    /// Models that may be asked for by name over `/v1`; the default one always may.
    #[serde(default)]
    pub models: Vec<String>,
}

impl AiProviderSettings {
    /// Every model that may be asked for, the default one first.
    pub fn known_models(&self) -> Vec<String> {
        let mut all = vec![self.default_model.clone()];
        all.extend(
            self.models
                .iter()
                .filter(|model| **model != self.default_model)
                .cloned(),
        );
        all
    }
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
    /// Seconds for a text that is handed over as it is made, and for a recording.
    pub stream_seconds: u64,
    /// Seconds without a sign of a text's next part.
    pub stream_idle_seconds: u64,
    /// Most bytes of a conversation.
    pub input_bytes: usize,
    /// Most bytes of a recording.
    pub audio_bytes: u64,
    /// Model for recordings when none is named.
    pub audio_model: String,
    /// Millionths of a US dollar that all AI calls together may cost in a UTC day; 0 is no bound.
    pub daily_spend_micros: i64,
    /// Prices by model; `default` for the rest.
    pub prices: BTreeMap<String, Price>,
    /// Prices of recordings by model, in millionths of a US dollar per minute; `default` for the rest.
    pub audio_prices: BTreeMap<String, i64>,
}

impl AiSettings {
    /// How long calls may take.
    pub fn times(&self) -> Times {
        Times {
            call: Duration::from_secs(self.timeout_seconds),
            stream: Duration::from_secs(self.stream_seconds),
        }
    }
}

/// Names of the replaced systems that still work (I07).
pub const ALIASES: &[Alias] = &[
    // seeds.md 1.9 row 21: of several, the first of these counts; differing ones are warned of at start.
    Alias::new("KAVENEGAR_COM_API_KEY", "kavenegar.api_key"),
    Alias::new("KAVENEGAR_API_KEY", "kavenegar.api_key"),
    Alias::new("KAVEH_NEGAR_API_KEY", "kavenegar.api_key"),
    Alias::new("KAVENEGAR_COM_FROM", "kavenegar.sender"),
    Alias::new("KAVENEGAR_SENDER", "kavenegar.sender"),
    // django-chelseru's own names (I21).
    Alias::new("SMS_SERVICE", "messages.sms_service"),
    Alias::new("MELI_PAYAMAK_COM_USERNAME", "melipayamak.username"),
    Alias::new("MELI_PAYAMAK_COM_PASSWORD", "melipayamak.password"),
    Alias::new("MELI_PAYAMAK_COM_FROM", "melipayamak.from"),
    Alias::new("PARSIAN_WEBCO_IR_API_KEY", "parsian.api_key"),
    Alias::new("OPENAI_API_KEY", "openai.api_key"),
    Alias::new("OPENAI_DEFAULT_MODEL", "openai.default_model"),
    Alias::new("TALKBOT_API_KEY", "talkbot.api_key"),
    Alias::new("TALKBOT_BASE_URL", "talkbot.base_url"),
    Alias::new("WEBHOOK_SECRET", "webhooks.payment_status_secret"),
];

impl Settings {
    /// Whether a folder or a bucket for files is named.
    fn has_files(&self) -> bool {
        self.files.backend == Backend::S3 || !self.files.root.is_empty()
    }

    /// The store of uploaded files, where one is configured.
    ///
    /// # Errors
    /// When folder, bucket or keys cannot be used.
    pub fn file_store(&self) -> anyhow::Result<Option<FileStore>> {
        if !self.has_files() {
            return Ok(None);
        }
        Ok(Some(FileStore::new(&self.files, &self.sealing)?))
    }

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
            self.messages.validate(),
            rule(
                (0..=365).contains(&self.credentials.expiry_warning_days),
                "credentials.expiry_warning_days must be 0 to 365",
            ),
            self.webhooks.validate(),
            if self.has_files() {
                self.files.validate()
            } else {
                Ok(())
            },
            self.scanner.validate(),
            self.outgoing.validate(self.environment),
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
            rule(
                self.ai.audio_prices.contains_key("default")
                    && self.ai.audio_prices.values().all(|price| *price >= 0),
                "ai.audio_prices needs `default` and no negative price",
            ),
            rule(
                self.ai.timeout_seconds > 0
                    && self.ai.stream_seconds > 0
                    && self.ai.stream_idle_seconds > 0,
                "ai.timeout_seconds, stream_seconds and stream_idle_seconds must be positive",
            ),
            rule(
                self.ai.daily_spend_micros >= 0,
                "ai.daily_spend_micros must not be negative",
            ),
            url("kavenegar.base_url", &self.kavenegar.base_url),
            url("melipayamak.base_url", &self.melipayamak.base_url),
            url("parsian.base_url", &self.parsian.base_url),
            url("twilio.base_url", &self.twilio.base_url),
            url("orange.base_url", &self.orange.base_url),
            url("openai.base_url", &self.openai.base_url),
            url("talkbot.base_url", &self.talkbot.base_url),
            url("anthropic.base_url", &self.anthropic.base_url),
        ])
    }
}
