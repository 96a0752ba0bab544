//! Settings of portal; every key stands with its comment in `settings.default.toml`.

use common_types::{Currency, Language};
use file_store::FileStoreSettings;
use serde::Deserialize;
use service_config::{
    Alias, AmqpSettings, AuthSettings, DatabaseSettings, Environment, PeerSettings, RedisSettings,
    SealingSettings, Secret, ServerSettings, TelemetrySettings, Validate, all, rule,
};

/// The defaults, embedded in the binary.
pub const DEFAULTS: &str = include_str!("../settings.default.toml");

/// Names that CIMEF's deployments set (decision 32).
pub const ALIASES: &[Alias] = &[
    Alias::new("PATIENT_PORTAL_URL", "portal.url"),
    Alias::new("PATIENT_SESSION_TIMEOUT", "portal.idle_minutes"),
    Alias::new("MAX_LOGIN_ATTEMPTS", "portal.max_login_attempts"),
    Alias::new("LOGIN_ATTEMPT_DELAY", "portal.login_window_seconds"),
];

/// All settings.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// development, test or production.
    #[serde(default)]
    pub environment: Environment,
    /// Listening.
    pub server: ServerSettings,
    /// PostgreSQL.
    pub database: DatabaseSettings,
    /// Redis.
    pub redis: RedisSettings,
    /// RabbitMQ.
    pub amqp: AmqpSettings,
    /// Logs and traces.
    #[serde(default)]
    pub telemetry: TelemetrySettings,
    /// Tokens.
    pub auth: AuthSettings,
    /// Other services.
    #[serde(default)]
    pub peers: PeerSettings,
    /// Keys that seal portal keys at rest.
    pub sealing: SealingSettings,
    /// Permanent keys.
    pub keys: KeySettings,
    /// Patient portal.
    pub portal: PortalSettings,
    /// Clinics without a profile of their own.
    pub clinic: ClinicSettings,
    /// Invoices.
    pub invoices: InvoiceSettings,
    /// Reports.
    pub reports: ReportSettings,
    /// Where report files lie.
    pub files: FileStoreSettings,
}

/// The permanent keys of patients.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeySettings {
    /// Key of the HMAC by which an access key is found; never changes.
    pub lookup_secret: Secret,
}

/// The patient portal.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PortalSettings {
    /// Address of the login page, printed and sent to patients.
    pub url: String,
    /// Minutes without a request after which a session ends.
    pub idle_minutes: u32,
    /// Hours after which a session ends in any case.
    pub absolute_hours: u32,
    /// Failed logins per key and source within the window.
    pub max_login_attempts: u32,
    /// The window of login limits, in seconds.
    pub login_window_seconds: u32,
    /// Failed logins per IP address within the window.
    pub max_login_attempts_per_ip: u32,
    /// Failed logins per key from unknown devices within a day.
    pub max_unknown_attempts_per_day: u32,
}

/// What stands on the papers of a clinic without a profile.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClinicSettings {
    /// Name.
    pub name: String,
    /// Address.
    pub address: String,
    /// Telephone.
    pub phone: String,
    /// E-mail address.
    pub email: String,
    /// Currency of prices.
    pub currency: Currency,
    /// Language of new patients and papers.
    pub language: Language,
    /// Minutes east of UTC, for dates on papers.
    pub utc_offset_minutes: i32,
}

/// Invoices.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InvoiceSettings {
    /// Prefix of invoice numbers.
    pub number_prefix: String,
    /// True puts the year into the series: `FAC-2026-000001`.
    pub yearly_series: bool,
    /// Tax inside prices when an invoice names none, in hundredths of a percent.
    pub default_tax_hundredths: i32,
    /// Whether invoices carry the keys box.
    pub keys_box: bool,
}

/// Reports.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReportSettings {
    /// Largest file in bytes.
    pub max_bytes: u64,
    /// True keeps an uploaded report closed until staff release it.
    pub release_by_staff: bool,
}

service_http::common_sections!(Settings);

impl Settings {
    /// Failed logins per address within the window: a hundred times as many on a developer's machine, where everybody
    /// shares one address (decision 13).
    #[must_use]
    pub fn login_attempts_per_ip(&self) -> u32 {
        let wider = if self.environment == Environment::Development {
            100
        } else {
            1
        };
        self.portal.max_login_attempts_per_ip.saturating_mul(wider)
    }

    /// Whether cookies need HTTPS; only a development platform is plain HTTP.
    #[must_use]
    pub fn secure_cookies(&self) -> bool {
        self.environment == Environment::Production
    }
}

impl Validate for Settings {
    fn validate(&self) -> Result<(), Vec<String>> {
        let number = &self.invoices.number_prefix;
        all([
            self.server.validate(),
            self.database.validate(),
            self.redis.validate(),
            self.amqp.validate(),
            self.telemetry.validate(),
            self.auth.validate(),
            self.peers.validate(),
            self.sealing.validate(),
            self.files.validate(),
            rule(
                self.keys.lookup_secret.expose().len() >= 32,
                "keys.lookup_secret must have at least 32 characters",
            ),
            rule(
                self.portal.url.starts_with("http"),
                "portal.url must be an http(s) address",
            ),
            rule(
                (1..=1440).contains(&self.portal.idle_minutes),
                "portal.idle_minutes must be 1 to 1440",
            ),
            rule(
                (1..=24).contains(&self.portal.absolute_hours),
                "portal.absolute_hours must be 1 to 24",
            ),
            rule(
                (1..=100).contains(&self.portal.max_login_attempts),
                "portal.max_login_attempts must be 1 to 100",
            ),
            rule(
                (10..=86_400).contains(&self.portal.login_window_seconds),
                "portal.login_window_seconds must be 10 to 86400",
            ),
            rule(
                !number.is_empty()
                    && number.len() <= 10
                    && number.bytes().all(|b| b.is_ascii_alphanumeric()),
                "invoices.number_prefix must have 1 to 10 letters or digits",
            ),
            rule(
                (0..=10_000).contains(&self.invoices.default_tax_hundredths),
                "invoices.default_tax_hundredths must be 0 to 10000",
            ),
            rule(
                (1..=52_428_800).contains(&self.reports.max_bytes),
                "reports.max_bytes must be 1 to 52428800 (50 MB)",
            ),
            rule(
                self.clinic.currency != Currency::Irt,
                "clinic.currency: amounts are kept in rial; IRT is for display only",
            ),
        ])
    }
}
