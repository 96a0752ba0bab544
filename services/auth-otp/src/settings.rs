//! Settings of auth-otp; every key stands with its comment in `settings.default.toml`.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use common_types::PhoneNumber;
use serde::Deserialize;
use service_config::{
    Alias, AmqpSettings, AuthSettings, DatabaseSettings, Environment, PeerSettings, RedisSettings,
    SealingSettings, Secret, ServerSettings, TelemetrySettings, Validate, all, rule,
};

/// The defaults, embedded in the binary.
pub const DEFAULTS: &str = include_str!("../settings.default.toml");

/// Names that Contexor's deployments and the platform's own first start use (decisions.md 32).
pub const ALIASES: &[Alias] = &[
    Alias::new("TABIB_ADMIN_PHONE", "admin.phone"),
    Alias::new("TABIB_ADMIN_PASSWORD", "admin.password"),
    Alias::new("OTP_TTL", "codes.profiles.login_s4.lifetime_seconds"),
    Alias::new("OTP_MAX_ATTEMPTS", "codes.profiles.login_s4.attempts"),
    Alias::new("OTP_RATE_LIMIT", "codes.profiles.login_s4.cooldown_seconds"),
    Alias::new("OTP_LENGTH", "codes.profiles.login_s2.length"),
];

/// In development per-IP and per-phone budgets are this much wider (decisions.md 13).
const DEVELOPMENT_FACTOR: u32 = 100;
/// Server keys shorter than this are refused, in bytes.
const MIN_KEY_BYTES: usize = 32;

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
    /// Issuer and own client.
    pub auth: AuthSettings,
    /// Other services.
    #[serde(default)]
    pub peers: PeerSettings,
    /// Keys that seal signing keys at rest.
    pub sealing: SealingSettings,
    /// Lifetimes of tokens.
    pub tokens: TokenSettings,
    /// One-time codes.
    pub codes: CodeSettings,
    /// Budgets against guessing and SMS pumping.
    pub budgets: BudgetSettings,
    /// Service clients: name (with `_` for `-`) → secret.
    #[serde(default)]
    pub clients: BTreeMap<String, Secret>,
    /// The first superuser.
    #[serde(default)]
    pub admin: AdminSettings,
    /// What `seed demo` needs.
    #[serde(default)]
    pub demo: DemoSettings,
}

/// Lifetimes in seconds and the key of refresh tokens.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenSettings {
    /// Access tokens (A09).
    pub access_lifetime_seconds: i64,
    /// A rotating session, absolutely (A09, Q-A5).
    pub refresh_lifetime_seconds: i64,
    /// A stable session, absolutely (wire.md 9.2).
    pub stable_lifetime_seconds: i64,
    /// Service tokens.
    pub service_lifetime_seconds: i64,
    /// A spent refresh token brings the same successor for this long.
    pub rotation_window_seconds: i64,
    /// HMAC key of refresh tokens.
    pub refresh_key: Secret,
}

/// One-time codes.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CodeSettings {
    /// HMAC key of stored codes.
    pub key: Secret,
    /// The time the SMS may take in all, in milliseconds.
    pub send_timeout_ms: u64,
    /// Purpose → profile.
    pub profiles: BTreeMap<String, CodeProfile>,
    /// Numbers with a fixed code, for store reviewers; refused in production.
    #[serde(default)]
    pub test_numbers: BTreeMap<String, String>,
    /// When the test numbers end.
    #[serde(default)]
    pub test_numbers_until: Option<DateTime<Utc>>,
}

/// What a code of one purpose is like.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CodeProfile {
    /// Digits, 4 to 10.
    pub length: usize,
    /// Lifetime in seconds.
    pub lifetime_seconds: i64,
    /// Evaluated attempts.
    pub attempts: i32,
    /// Seconds between two codes to the same phone and binding.
    pub cooldown_seconds: i64,
    /// Logical key of a provider's template; empty for none.
    #[serde(default)]
    pub template: String,
}

/// Budgets; in development per-IP and per-phone ones are a hundred times wider.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BudgetSettings {
    /// Codes to one phone per hour.
    pub phone_per_hour: i32,
    /// Codes to one phone per day.
    pub phone_per_day: i32,
    /// Codes to one number block (all but the last four digits) per hour.
    pub prefix_per_hour: i32,
    /// Codes in all per hour.
    pub global_per_hour: i32,
    /// Requests for a code from one address per minute (Contexor: 5).
    pub ip_sends_per_minute: u32,
    /// Requests for a code for one phone as typed per minute (Contexor: 3).
    pub phone_sends_per_minute: u32,
    /// Codes and passwords tried from one address per minute.
    pub ip_logins_per_minute: u32,
    /// Wrong codes in a row on one phone, or passwords on one account, before it rests.
    pub failure_ceiling: i32,
    /// How long it rests, in seconds.
    pub rest_seconds: i64,
}

/// The first superuser, made at the first start.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AdminSettings {
    /// Phone in any spelling; empty for none.
    pub phone: String,
    /// Password for the staff login; optional.
    pub password: Option<Secret>,
}

/// Sample data.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DemoSettings {
    /// The API key that the sample SOAPify partner gets.
    pub soapify_api_key: Option<Secret>,
    /// Password of the sample staff; without it they log in by code only.
    pub staff_password: Option<Secret>,
}

service_http::common_sections!(Settings);

impl Settings {
    /// 100 in development, else 1.
    #[must_use]
    pub fn budget_factor(&self) -> u32 {
        if self.environment == Environment::Development {
            DEVELOPMENT_FACTOR
        } else {
            1
        }
    }

    /// A budget of [`BudgetSettings`] as it counts here.
    #[must_use]
    pub fn widened(&self, budget: i32) -> i32 {
        budget.saturating_mul(i32::try_from(self.budget_factor()).unwrap_or(1))
    }

    /// The secret of a service client.
    #[must_use]
    pub fn client_secret(&self, name: &str) -> Option<&Secret> {
        self.clients.get(&name.replace('-', "_"))
    }
}

impl Validate for Settings {
    fn validate(&self) -> Result<(), Vec<String>> {
        let long = |secret: &Secret| secret.expose().len() >= MIN_KEY_BYTES;
        let positive =
            |value: i64, name: &str| rule(value > 0, &format!("{name} must be positive"));
        let mut outcomes = vec![
            self.server.validate(),
            self.database.validate(),
            self.redis.validate(),
            self.amqp.validate(),
            self.telemetry.validate(),
            self.auth.validate(),
            self.peers.validate(),
            self.sealing.validate(),
            rule(
                long(&self.tokens.refresh_key),
                "tokens.refresh_key must have at least 32 bytes",
            ),
            rule(
                long(&self.codes.key),
                "codes.key must have at least 32 bytes",
            ),
            rule(
                (60..=3600).contains(&self.tokens.access_lifetime_seconds),
                "tokens.access_lifetime_seconds must be 60 to 3600",
            ),
            positive(
                self.tokens.refresh_lifetime_seconds,
                "tokens.refresh_lifetime_seconds",
            ),
            positive(
                self.tokens.stable_lifetime_seconds,
                "tokens.stable_lifetime_seconds",
            ),
            rule(
                (60..=3600).contains(&self.tokens.service_lifetime_seconds),
                "tokens.service_lifetime_seconds must be 60 to 3600",
            ),
            rule(
                (0..=60).contains(&self.tokens.rotation_window_seconds),
                "tokens.rotation_window_seconds must be 0 to 60",
            ),
            rule(
                (100..=10_000).contains(&self.codes.send_timeout_ms),
                "codes.send_timeout_ms must be 100 to 10000",
            ),
            rule(
                !self.environment.is_production() || self.codes.test_numbers.is_empty(),
                "codes.test_numbers are refused in production",
            ),
            rule(
                self.codes.test_numbers.is_empty() || self.codes.test_numbers_until.is_some(),
                "codes.test_numbers need codes.test_numbers_until",
            ),
            rule(
                self.admin.phone.is_empty() || PhoneNumber::parse(&self.admin.phone).is_ok(),
                "admin.phone must be a phone number",
            ),
            rule(
                self.clients.values().all(long),
                "clients: a secret must have at least 32 bytes",
            ),
            rule(
                self.budgets.failure_ceiling > 0,
                "budgets.failure_ceiling must be positive",
            ),
        ];
        for required in ["login_s4", "login_s2", "patient_access"] {
            let there = self.codes.profiles.contains_key(required);
            outcomes.push(rule(
                there,
                &format!("codes.profiles.{required} must be there"),
            ));
        }
        for (name, profile) in &self.codes.profiles {
            let right = (4..=10).contains(&profile.length)
                && (1..=20).contains(&profile.attempts)
                && (30..=3600).contains(&profile.lifetime_seconds)
                && (0..=3600).contains(&profile.cooldown_seconds);
            outcomes.push(rule(
                right,
                &format!(
                    "codes.profiles.{name}: length 4 to 10, attempts 1 to 20, lifetime_seconds 30 to 3600, \
                     cooldown_seconds 0 to 3600"
                ),
            ));
        }
        all(outcomes)
    }
}
