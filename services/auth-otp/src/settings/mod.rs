//! Settings of auth-otp; every key stands with its comment in `settings.default.toml`.

mod codes;
mod identity;
mod keys;
mod people;
mod rules;

use std::collections::BTreeMap;

use serde::Deserialize;
use service_config::{
    Alias, AmqpSettings, AuthSettings, DatabaseSettings, Environment, PeerSettings, RedisSettings,
    SealingSettings, Secret, ServerSettings, TelemetrySettings,
};

pub use codes::{BudgetSettings, CodeProfile, CodeSettings};
pub use identity::{
    AuthMethod, FactorRule, FactorSettings, PasswordSettings, PhoneSettings, RecoverySettings,
};
pub use keys::{ApiKeySettings, KeySettings, TokenSettings};
pub use people::{AdminSettings, DemoSettings, InvitationSettings};

use crate::shield::ShieldSettings;

/// The defaults, embedded in the binary.
pub const DEFAULTS: &str = include_str!("../../settings.default.toml");

/// Names that Contexor's deployments and the platform's own first start use (decisions.md 32).
pub const ALIASES: &[Alias] = &[
    Alias::new("TABIB_ADMIN_PHONE", "admin.phone"),
    Alias::new("TABIB_ADMIN_PASSWORD", "admin.password"),
    Alias::new("OTP_TTL", "codes.profiles.login_s4.lifetime_seconds"),
    Alias::new("OTP_MAX_ATTEMPTS", "codes.profiles.login_s4.attempts"),
    Alias::new("OTP_RATE_LIMIT", "codes.profiles.login_s4.cooldown_seconds"),
    Alias::new("OTP_LENGTH", "codes.profiles.login_s2.length"),
    Alias::new("AUTH_METHOD", "password.auth_method"),
];

/// In development per-IP and per-phone budgets are this much wider (decisions.md 13).
const DEVELOPMENT_FACTOR: u32 = 100;

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
    /// The password method.
    pub password: PasswordSettings,
    /// The second factor.
    pub second_factor: FactorSettings,
    /// Recovery by a code that an admin makes.
    pub recovery: RecoverySettings,
    /// Another phone for an account.
    pub phone_change: PhoneSettings,
    /// Rotation of the signing keys.
    pub keys: KeySettings,
    /// Keys of partner systems.
    pub api_keys: ApiKeySettings,
    /// Switches, money ceilings, block list and challenge mode.
    pub shield: ShieldSettings,
    /// Invitations into organisations.
    pub invitations: InvitationSettings,
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
