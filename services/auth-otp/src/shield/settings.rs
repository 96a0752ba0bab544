//! `[shield]` of the settings.

use serde::Deserialize;
use service_config::{Validate, all, rule};

/// What stops codes as a whole (Q-A2, targets.md 2.1).
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShieldSettings {
    /// False stops every code.
    pub sending: bool,
    /// Codes go to numbers that begin with one of these (E.164).
    pub allowed_prefixes: Vec<String>,
    /// Price of a text in Rial, until the provider says what it charged.
    pub rial_per_sms: i64,
    /// Price of a call in Rial, likewise.
    pub rial_per_call: i64,
    /// Rial in all per hour.
    pub rial_per_hour: i64,
    /// Rial in all per day (UTC).
    pub rial_per_day: i64,
    /// Rial for one organisation per day (UTC).
    pub organization_rial_per_day: i64,
    /// Wrong codes and refused calls of one address within ten minutes before it is blocked.
    pub source_failures: u32,
    /// How long the first block lasts, in seconds; each further one four times as long, a week at most.
    pub block_seconds: i64,
    /// Wrong codes over all phones within ten minutes before challenge mode.
    pub challenge_failures: i64,
    /// How long challenge mode lasts after that, in seconds.
    pub challenge_seconds: i64,
    /// Leading zero bits that an answer needs, 1 to 30.
    pub challenge_difficulty: u32,
    /// In challenge mode, calls without an answer that are let in over all addresses per minute.
    pub challenge_lane_per_minute: u32,
}

impl Validate for ShieldSettings {
    fn validate(&self) -> Result<(), Vec<String>> {
        let prefix = |text: &String| {
            text.strip_prefix('+').is_some_and(|digits| {
                !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit())
            })
        };
        let positive = [
            (self.rial_per_hour, "rial_per_hour"),
            (self.rial_per_day, "rial_per_day"),
            (self.organization_rial_per_day, "organization_rial_per_day"),
            (self.block_seconds, "block_seconds"),
            (self.challenge_failures, "challenge_failures"),
            (self.challenge_seconds, "challenge_seconds"),
        ];
        let mut outcomes = vec![
            rule(
                !self.allowed_prefixes.is_empty() && self.allowed_prefixes.iter().all(prefix),
                "shield.allowed_prefixes: each is + and digits, and there is at least one",
            ),
            rule(
                self.rial_per_sms >= 0 && self.rial_per_call >= 0,
                "shield.rial_per_sms and rial_per_call must not be negative",
            ),
            rule(
                (1..=30).contains(&self.challenge_difficulty),
                "shield.challenge_difficulty must be 1 to 30",
            ),
        ];
        for (value, name) in positive {
            outcomes.push(rule(value > 0, &format!("shield.{name} must be positive")));
        }
        all(outcomes)
    }
}
