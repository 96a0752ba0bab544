//! `[codes]` and `[budgets]`.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::Deserialize;
use service_config::Secret;

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
    /// Seconds after the SMS before the same code may be spoken in a call.
    pub voice_after_seconds: i64,
    /// Domain of the last SMS line `@domain #code` (Web OTP); empty for none.
    #[serde(default)]
    pub web_otp_domain: String,
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
    /// Whether the code may also be spoken in a call.
    #[serde(default)]
    pub voice: bool,
    /// Codes of this purpose to one phone per hour, beside the budget of all purposes; none when absent.
    #[serde(default)]
    pub phone_per_hour: Option<u32>,
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
    /// Codes asked for from one address per hour.
    pub ip_per_hour: u32,
    /// Codes asked for from one network (/24, or /48 of IPv6) per hour.
    pub network_per_hour: u32,
    /// Codes for one organisation per hour.
    pub organization_per_hour: u32,
    /// Codes in all per hour.
    pub global_per_hour: i32,
    /// Requests for a code from one address per minute (Contexor: 5).
    pub ip_sends_per_minute: u32,
    /// Requests for a code for one phone as typed per minute (Contexor: 3).
    pub phone_sends_per_minute: u32,
    /// Codes and passwords tried from one address per minute.
    pub ip_logins_per_minute: u32,
    /// Wrong codes in a row on one phone before it must be proven anew, or passwords on one account before it rests.
    pub failure_ceiling: i32,
    /// How long an account rests, in seconds.
    pub rest_seconds: i64,
}
