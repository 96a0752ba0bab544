//! The settings of patient-access, see `settings.default.toml`.

use serde::Deserialize;
use service_config::{
    Alias, AmqpSettings, AuthSettings, DatabaseSettings, Environment, PeerSettings, RedisSettings,
    SealingSettings, Secret, ServerSettings, TelemetrySettings, Validate, all, rule,
};

/// Names of the replaced system's settings (P08).
pub(crate) const ALIASES: &[Alias] = &[
    Alias::new("SOAPIFY_API_URL", "soapify.base_url"),
    Alias::new("SOAPIFY_API_KEY", "soapify.api_key"),
    Alias::converted("SOAPIFY_USE_DIRECT_DB", "soapify.adapter", adapter_of_flag),
];

/// `True` named the direct database adapter, anything false the HTTP one.
fn adapter_of_flag(flag: &str) -> Result<String, String> {
    match flag.to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "on" => Ok("direct_db".to_owned()),
        "false" | "0" | "no" | "off" => Ok("http".to_owned()),
        _ => Err("true or false".to_owned()),
    }
}

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
    /// Keys for what rests sealed.
    pub sealing: SealingSettings,
    /// Where summaries come from.
    pub soapify: SoapifySettings,
    /// Budgets.
    pub limits: LimitSettings,
    /// Life of a consent.
    pub grant: GrantSettings,
}

/// Which source of patient data is asked.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Adapter {
    /// The lookup routes of SOAPify, the platform's own chat or a foreign one.
    Http,
    /// SOAPify's database, read only.
    DirectDb,
    /// Made-up data.
    Mock,
}

/// Where summaries come from.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SoapifySettings {
    /// Which source.
    pub adapter: Adapter,
    /// Base of the lookup routes; empty means the platform's own chat.
    pub base_url: String,
    /// Key for a foreign SOAPify; without it the service's own token is sent.
    pub api_key: Option<Secret>,
    /// Time for one lookup; milliseconds.
    pub timeout_ms: u64,
}

/// Budgets; development multiplies all but the last two by 100 (decision 13).
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LimitSettings {
    /// Requests for one patient's number in an hour.
    pub per_patient_per_hour: i64,
    /// Requests for one patient's number in a day.
    pub per_patient_per_day: i64,
    /// Requests of one doctor in an hour.
    pub per_doctor_per_hour: i64,
    /// Reads by one doctor in an hour.
    pub reads_per_doctor_per_hour: u32,
    /// Codes one doctor may try in a minute.
    pub verifies_per_doctor_per_minute: u32,
}

/// Life of a consent.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GrantSettings {
    /// Seconds from verification to the end.
    pub lifetime_seconds: i64,
    /// Seconds a fetched summary is kept at most.
    pub cache_seconds: i64,
    /// Seconds between two codes of one doctor to one patient.
    pub cooldown_seconds: i64,
}

impl Validate for Settings {
    fn validate(&self) -> Result<(), Vec<String>> {
        let limits = &self.limits;
        all([
            self.server.validate(),
            self.database.validate(),
            self.redis.validate(),
            self.amqp.validate(),
            self.auth.validate(),
            self.peers.validate(),
            self.sealing.validate(),
            rule(
                self.soapify.adapter != Adapter::Mock || !self.environment.is_production(),
                "soapify.adapter mock is refused in production",
            ),
            rule(
                self.soapify.adapter != Adapter::DirectDb,
                "soapify.adapter direct_db (SOAPIFY_USE_DIRECT_DB) is not served: no database schema of SOAPify is \
                 known; set it to http",
            ),
            rule(
                self.soapify.base_url.is_empty() || self.soapify.base_url.starts_with("http"),
                "soapify.base_url must be an http(s) address",
            ),
            rule(
                (100..=30_000).contains(&self.soapify.timeout_ms),
                "soapify.timeout_ms must be 100 to 30000",
            ),
            rule(
                limits.per_patient_per_hour > 0
                    && limits.per_patient_per_day >= limits.per_patient_per_hour
                    && limits.per_doctor_per_hour > 0,
                "limits must be above 0, and a day's at least an hour's",
            ),
            rule(
                (60..=86_400).contains(&self.grant.lifetime_seconds),
                "grant.lifetime_seconds must be 60 to 86400",
            ),
            rule(
                (0..=3_600).contains(&self.grant.cache_seconds),
                "grant.cache_seconds must be 0 to 3600",
            ),
            rule(
                (0..=3_600).contains(&self.grant.cooldown_seconds),
                "grant.cooldown_seconds must be 0 to 3600",
            ),
        ])
    }
}

service_http::common_sections!(Settings);
