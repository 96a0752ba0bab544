//! The settings of payments, see `settings.default.toml`.

use std::str::FromStr;

use common_types::Currency;
use serde::Deserialize;
use service_config::{
    AmqpSettings, AuthSettings, DatabaseSettings, Environment, PeerSettings, RedisSettings, Secret,
    ServerSettings, TelemetrySettings, Validate, all, rule,
};

/// Everything that can be set.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Kind of installation.
    pub environment: Environment,
    /// `auto`, `sandbox` or `medogram`.
    pub provider: String,
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
    /// Amounts, times, limits.
    pub rules: Rules,
    /// The BitPay-like gateway.
    pub gateway: GatewaySettings,
    /// The sandbox of the simulators.
    pub sandbox: SandboxSettings,
}

/// Amounts, times, limits.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rules {
    /// Currency of CrazyMiner's routes.
    pub currency: Currency,
    /// Smallest charge of a wallet, minor units.
    pub min_wallet_charge: i64,
    /// Largest single payment, minor units.
    pub max_amount: i64,
    /// Minutes after which an unpaid payment is given up.
    pub expiry_minutes: i64,
    /// Seconds within which a repeated start is the same payment.
    pub repeat_seconds: i64,
    /// Payments that one person may start in a minute.
    pub starts_per_minute: u32,
    /// Hints verified in a minute for one payment.
    pub hints_per_minute: u32,
    /// Foreign origins that a payer may be sent back to.
    pub return_origins: Vec<String>,
}

/// Which words the gateway understands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Dialect {
    /// JSON bodies, as CrazyMiner sends them to Medogram.
    Json,
    /// Form bodies and a JSON result, as BitPay documents them.
    Form,
}

/// The BitPay-like gateway.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GatewaySettings {
    /// Its address without a final slash.
    pub base_url: String,
    /// Bodies it takes.
    pub dialect: Dialect,
    /// Where it sends the payer back; empty is our own return page.
    pub redirect_url: String,
    /// Its key; without it integrations is asked.
    #[serde(default)]
    pub api_key: Option<Secret>,
}

/// The sandbox of the simulators.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SandboxSettings {
    /// Address of the simulators; empty is `peers.simulators`.
    pub base_url: String,
    /// Its key; without it integrations is asked.
    #[serde(default)]
    pub api_key: Option<Secret>,
}

impl Settings {
    /// Whether payments go to the sandbox.
    pub fn uses_sandbox(&self) -> bool {
        match self.provider.as_str() {
            "sandbox" => true,
            "auto" => !self.environment.is_production(),
            _ => false,
        }
    }
}

impl Validate for Settings {
    fn validate(&self) -> Result<(), Vec<String>> {
        let rules = &self.rules;
        all([
            self.server.validate(),
            self.database.validate(),
            self.auth.validate(),
            self.peers.validate(),
            rule(
                matches!(self.provider.as_str(), "auto" | "sandbox" | "medogram"),
                "provider must be auto, sandbox or medogram",
            ),
            rule(
                !(self.environment.is_production() && self.uses_sandbox()),
                "provider must not be sandbox in production: it moves no money",
            ),
            rule(
                rules.currency != Currency::Irt,
                "rules.currency must be the stored one: IRR, not IRT",
            ),
            rule(
                0 < rules.min_wallet_charge && rules.min_wallet_charge <= rules.max_amount,
                "rules.min_wallet_charge must be above 0 and at most rules.max_amount",
            ),
            rule(
                (1..=1440).contains(&rules.expiry_minutes),
                "rules.expiry_minutes must be 1 to 1440",
            ),
            rule(
                (0..=600).contains(&rules.repeat_seconds),
                "rules.repeat_seconds must be 0 to 600",
            ),
            rule(
                rules.starts_per_minute > 0,
                "rules.starts_per_minute must be above 0",
            ),
            rule(
                rules.hints_per_minute > 0,
                "rules.hints_per_minute must be above 0",
            ),
            rule(
                rules
                    .return_origins
                    .iter()
                    .all(|origin| url::Url::from_str(origin).is_ok()),
                "rules.return_origins must be addresses such as https://app.example",
            ),
            rule(
                is_address(&self.gateway.base_url),
                "gateway.base_url must be an http(s) address",
            ),
            rule(
                self.gateway.redirect_url.is_empty() || is_address(&self.gateway.redirect_url),
                "gateway.redirect_url must be an http(s) address or empty",
            ),
        ])
    }
}

fn is_address(text: &str) -> bool {
    url::Url::parse(text).is_ok_and(|url| matches!(url.scheme(), "http" | "https"))
}

service_http::common_sections!(Settings);
