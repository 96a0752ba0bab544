//! The settings of payments, see `settings.default.toml`.

use std::str::FromStr;

use common_types::{Currency, Money};
use serde::Deserialize;
use service_config::{
    AmqpSettings, AuthSettings, DatabaseSettings, Environment, PeerSettings, RedisSettings, Secret,
    ServerSettings, TelemetrySettings, Validate, all, rule,
};

/// What `provider` may say.
const PROVIDERS: [&str; 7] = [
    "auto", "sandbox", "medogram", "zarinpal", "payping", "stripe", "wave",
];

/// Everything that can be set.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Kind of installation.
    pub environment: Environment,
    /// `auto`, or the provider that is tried first.
    pub provider: String,
    /// Which providers are tried for which prices.
    #[serde(default)]
    pub routes: Vec<Route>,
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
    /// ZarinPal (Iran).
    pub zarinpal: VendorSettings,
    /// PayPing (Iran).
    pub payping: VendorSettings,
    /// Stripe Checkout (EUR, USD, XOF).
    pub stripe: VendorSettings,
    /// Wave (Senegal).
    pub wave: VendorSettings,
    /// How money is compared.
    pub reconciliation: ReconciliationSettings,
}

/// A rule of the choice of a provider; the first that fits counts.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Route {
    /// Prices of this currency.
    pub currency: Currency,
    /// From this amount, minor units.
    #[serde(default)]
    pub min_amount: i64,
    /// Up to this amount, minor units; none is no bound.
    #[serde(default)]
    pub max_amount: Option<i64>,
    /// Who is tried, in this order.
    pub providers: Vec<String>,
}

impl Route {
    /// Whether the rule concerns this price.
    #[must_use]
    pub fn fits(&self, price: Money) -> bool {
        price.currency == self.currency
            && price.amount >= self.min_amount
            && self.max_amount.is_none_or(|max| price.amount <= max)
    }
}

/// A payment vendor.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VendorSettings {
    /// Whether it starts payments; those it started are asked about in any case.
    pub enabled: bool,
    /// Its address.
    pub base_url: String,
    /// Tried in this order, the smallest first, where no route says otherwise.
    pub priority: u32,
    /// Its key; without it integrations is asked.
    #[serde(default)]
    pub api_key: Option<Secret>,
}

/// How money is compared.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReconciliationSettings {
    /// Seconds between two looks at our own books and at today's settlement lists.
    pub every_seconds: u64,
    /// E-mail addresses that are told of every new difference.
    pub alarm_recipients: Vec<String>,
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
    /// Largest single payment in each currency, minor units.
    pub ceiling: PerCurrency,
    /// How many payments may be started in an hour.
    pub velocity: Velocity,
    /// Money that one payer may start payments of within a day, minor units.
    pub payer_amount_per_day: PerCurrency,
    /// Money that one doctor may start payments of for SOAPify users within a day, minor units.
    pub doctor_amount_per_day: PerCurrency,
    /// Name at the head of receipts.
    pub receipt_name: String,
    /// Refunds above this amount need a second person.
    pub refund_approval_above: PerCurrency,
}

/// How many payments may be started in an hour.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Velocity {
    /// By one payer.
    pub payer_per_hour: u32,
    /// By one doctor for SOAPify users.
    pub doctor_per_hour: u32,
    /// From one address.
    pub address_per_hour: u32,
}

/// An amount in each stored currency, minor units.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PerCurrency {
    /// Rial.
    pub irr: i64,
    /// West African CFA francs.
    pub xof: i64,
    /// Euro cents.
    pub eur: i64,
    /// US cents.
    pub usd: i64,
}

impl PerCurrency {
    /// The amount of that currency; tomans count as rials.
    pub fn of(&self, currency: Currency) -> i64 {
        match currency {
            Currency::Irr | Currency::Irt => self.irr,
            Currency::Xof => self.xof,
            Currency::Eur => self.eur,
            Currency::Usd => self.usd,
        }
    }

    fn all_above(&self, least: i64) -> bool {
        [self.irr, self.xof, self.eur, self.usd]
            .into_iter()
            .all(|amount| amount > least)
    }
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
    /// Tried in this order, the smallest first, where no route says otherwise.
    pub priority: u32,
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
    fn vendors(&self) -> [(&'static str, &VendorSettings); 4] {
        [
            ("zarinpal", &self.zarinpal),
            ("payping", &self.payping),
            ("stripe", &self.stripe),
            ("wave", &self.wave),
        ]
    }

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
                PROVIDERS.contains(&self.provider.as_str()),
                "provider must be auto, sandbox, medogram, zarinpal, payping, stripe or wave",
            ),
            rule(
                self.routes.iter().all(|route| {
                    !route.providers.is_empty()
                        && route.max_amount.is_none_or(|max| max >= route.min_amount)
                }),
                "each of routes must name providers, and its max_amount must not be below its min_amount",
            ),
            all(self.vendors().map(|(name, vendor)| {
                rule(
                    is_address(&vendor.base_url),
                    &format!("{name}.base_url must be an http(s) address"),
                )
            })),
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
                (1..=300).contains(&self.reconciliation.every_seconds),
                "reconciliation.every_seconds must be 1 to 300: a difference is known within five minutes",
            ),
            rule(
                rules.ceiling.all_above(0)
                    && rules.payer_amount_per_day.all_above(0)
                    && rules.doctor_amount_per_day.all_above(0),
                "rules.ceiling, payer_amount_per_day and doctor_amount_per_day must be above 0",
            ),
            rule(
                rules.velocity.payer_per_hour > 0
                    && rules.velocity.doctor_per_hour > 0
                    && rules.velocity.address_per_hour > 0,
                "rules.velocity must be above 0",
            ),
            rule(
                rules.refund_approval_above.all_above(-1),
                "rules.refund_approval_above must not be below 0",
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
