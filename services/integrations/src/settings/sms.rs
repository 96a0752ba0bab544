//! Settings of outgoing messages and of the SMS vendors.

use std::collections::BTreeMap;

use serde::Deserialize;
use service_config::{Environment, Secret, all, rule};

use crate::providers::{Adapter, http_sms::HttpSmsSettings};

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
    /// Batches at a time in one worker.
    pub lanes: usize,
    /// Hours until a queued message is given up.
    pub give_up_hours: i64,
    /// Minutes in which a text that was taken but not delivered goes to the next provider; its content is kept as long.
    pub failover_minutes: i64,
    /// Failures in a row after which a provider rests.
    pub breaker_failures: u32,
    /// Seconds of that rest.
    pub breaker_rest_seconds: i64,
    /// Texts per person and hour.
    pub per_user_hour: u32,
    /// Bulk requests per person and hour.
    pub bulk_per_user_hour: u32,
    /// Receivers of one bulk request.
    pub bulk_max: usize,
    /// Segments that an organisation may send in a month; 0: no limit.
    pub organization_month_segments: i64,
    /// Hours in which nothing goes out that is not urgent, as `22:00-08:00`; empty: none. Unset: by environment.
    #[serde(default)]
    pub quiet_hours: Option<String>,
    /// Time zone of an organisation that names none.
    pub time_zone: String,
    /// The provider that is tried first, by its slug or by its name in django-chelseru (I21).
    #[serde(default)]
    pub sms_service: Option<String>,
    /// Template ids of our own keys (I21): `T1 = "1"`.
    #[serde(default)]
    pub templates: BTreeMap<String, String>,
}

impl MessageSettings {
    /// `from-until`, when there are quiet hours.
    pub fn quiet(
        &self,
        environment: Environment,
    ) -> Option<(chrono::NaiveTime, chrono::NaiveTime)> {
        let usual = if environment == Environment::Production {
            "22:00-08:00"
        } else {
            ""
        };
        let (from, until) = self
            .quiet_hours
            .as_deref()
            .unwrap_or(usual)
            .split_once('-')?;
        let time = |text: &str| chrono::NaiveTime::parse_from_str(text.trim(), "%H:%M").ok();
        time(from)
            .zip(time(until))
            .filter(|(from, until)| from != until)
    }

    /// The client of the provider that is tried first.
    pub fn first(&self) -> Option<Adapter> {
        match self.sms_service.as_deref()? {
            "KAVENEGAR_COM" => Some(Adapter::Kavenegar),
            "MELI_PAYAMAK_COM" => Some(Adapter::MeliPayamak),
            "PARSIAN_WEBCO_IR" => Some(Adapter::Parsian),
            slug => Adapter::parse(slug),
        }
    }

    pub(super) fn validate(&self) -> Result<(), Vec<String>> {
        let quiet = self.quiet_hours.as_deref().unwrap_or_default();
        all([
            rule(
                self.per_provider_ms > 0 && self.per_provider_ms <= self.synchronous_total_ms,
                "messages.per_provider_ms must be positive and at most synchronous_total_ms",
            ),
            rule(self.poll_ms >= 50, "messages.poll_ms must be at least 50"),
            rule(
                (1..=1_000).contains(&self.batch),
                "messages.batch must be 1 to 1000",
            ),
            rule(
                (1..=16).contains(&self.lanes),
                "messages.lanes must be 1 to 16",
            ),
            rule(
                (0..=2_880).contains(&self.failover_minutes),
                "messages.failover_minutes must be 0 to 2880 (48 hours)",
            ),
            rule(
                self.breaker_failures > 0 && self.breaker_rest_seconds > 0,
                "messages.breaker_failures and breaker_rest_seconds must be positive",
            ),
            rule(
                (1..=1_000).contains(&self.bulk_max),
                "messages.bulk_max must be 1 to 1000",
            ),
            rule(
                self.organization_month_segments >= 0,
                "messages.organization_month_segments must not be negative",
            ),
            rule(
                quiet.is_empty() || self.quiet(Environment::Test).is_some(),
                "messages.quiet_hours must look like 22:00-08:00 or be empty",
            ),
            rule(
                self.time_zone.parse::<chrono_tz::Tz>().is_ok(),
                "messages.time_zone must be a name of the IANA time zone database",
            ),
            rule(
                self.sms_service.is_none() || self.first().is_some(),
                "messages.sms_service must be PARSIAN_WEBCO_IR, MELI_PAYAMAK_COM, KAVENEGAR_COM or a provider's client",
            ),
        ])
    }
}

/// `[melipayamak]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MeliPayamakSettings {
    /// User name.
    #[serde(default)]
    pub username: Option<Secret>,
    /// Password, or the API key that stands in its place.
    #[serde(default)]
    pub password: Option<Secret>,
    /// Line of free texts.
    #[serde(default)]
    pub from: Option<String>,
    /// Base address.
    pub base_url: String,
    /// Country codes that it carries.
    pub prefixes: Vec<String>,
}

/// `[parsian]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ParsianSettings {
    /// Token.
    #[serde(default)]
    pub api_key: Option<Secret>,
    /// Base address.
    pub base_url: String,
    /// Country codes that it carries.
    pub prefixes: Vec<String>,
}

/// `[twilio]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TwilioSettings {
    /// Account.
    #[serde(default)]
    pub account_sid: Option<String>,
    /// Its token; signs the receipts too.
    #[serde(default)]
    pub auth_token: Option<Secret>,
    /// Sending number.
    #[serde(default)]
    pub from: Option<String>,
    /// Messaging service, instead of a number.
    #[serde(default)]
    pub messaging_service_sid: Option<String>,
    /// Base address.
    pub base_url: String,
    /// Country codes that it carries; empty: all.
    pub prefixes: Vec<String>,
}

/// `[orange]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OrangeSettings {
    /// Client.
    #[serde(default)]
    pub client_id: Option<String>,
    /// Its secret.
    #[serde(default)]
    pub client_secret: Option<Secret>,
    /// Country sender, such as `tel:+2210000`.
    pub sender_address: String,
    /// Approved sender name.
    #[serde(default)]
    pub sender_name: Option<String>,
    /// Base address.
    pub base_url: String,
    /// Country codes that it carries.
    pub prefixes: Vec<String>,
}

/// `[http_sms]`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HttpSmsProviderSettings {
    /// Key that the request may name as `{{ api_key }}`.
    pub api_key: Option<Secret>,
    /// Country codes that it carries; empty: all.
    pub prefixes: Vec<String>,
    /// Its request; the provider is inactive without one.
    pub request: Option<HttpSmsSettings>,
}
