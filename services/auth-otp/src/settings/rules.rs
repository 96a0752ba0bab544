//! What settings must be.

use common_types::PhoneNumber;
use service_config::{Secret, Validate, all, rule};

use super::Settings;

/// Server keys shorter than this are refused, in bytes.
const MIN_KEY_BYTES: usize = 32;

impl Settings {
    /// The rules of passwords, second factor, recovery and keys.
    fn validate_identity(&self) -> Vec<Result<(), Vec<String>>> {
        let factor = &self.second_factor;
        let longest = self
            .tokens
            .access_lifetime_seconds
            .max(self.tokens.service_lifetime_seconds);
        vec![
            rule(
                (1..=4).contains(&self.password.min_score),
                "password.min_score must be 1 to 4",
            ),
            rule(
                (1..=20).contains(&factor.attempts) && (60..=86_400).contains(&factor.rest_seconds),
                "second_factor: attempts 1 to 20, rest_seconds 60 to 86400",
            ),
            rule(
                (60..=900).contains(&factor.challenge_seconds),
                "second_factor.challenge_seconds must be 60 to 900",
            ),
            rule(
                !factor.issuer.trim().is_empty() && !factor.issuer.contains(':'),
                "second_factor.issuer must be a name without a colon",
            ),
            rule(
                (300..=604_800).contains(&self.recovery.lifetime_seconds),
                "recovery.lifetime_seconds must be 300 to 604800",
            ),
            rule(
                (0..=2_592_000).contains(&self.phone_change.payout_hold_seconds),
                "phone_change.payout_hold_seconds must be 0 to 2592000",
            ),
            rule(
                self.keys.rotate_after_seconds == 0 || self.keys.rotate_after_seconds >= 3600,
                "keys.rotate_after_seconds must be 0 or at least 3600",
            ),
            rule(
                (10..=3600).contains(&self.keys.publish_ahead_seconds),
                "keys.publish_ahead_seconds must be 10 to 3600",
            ),
            rule(
                self.keys.overlap_seconds >= longest + 60,
                "keys.overlap_seconds must be a minute longer than any token lives",
            ),
            rule(
                (0..=2_592_000).contains(&self.api_keys.max_overlap_seconds),
                "api_keys.max_overlap_seconds must be 0 to 2592000",
            ),
        ]
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
                (3_600..=90 * 86_400).contains(&self.invitations.lifetime_seconds)
                    && (1..=86_400).contains(&self.invitations.resend_seconds),
                "invitations: lifetime_seconds 3600 to 7776000, resend_seconds 1 to 86400",
            ),
            rule(
                self.invitations.sends > 0
                    && self.invitations.organization_per_day > 0
                    && self.invitations.inviter_per_day > 0
                    && self.invitations.phone_per_day > 0,
                "invitations: sends and budgets must be positive",
            ),
            rule(
                self.budgets.failure_ceiling > 0,
                "budgets.failure_ceiling must be positive",
            ),
            rule(
                (0..=3600).contains(&self.codes.voice_after_seconds),
                "codes.voice_after_seconds must be 0 to 3600",
            ),
            rule(
                self.codes.web_otp_domain.is_empty()
                    || self
                        .codes
                        .web_otp_domain
                        .bytes()
                        .all(|b| b.is_ascii_alphanumeric() || b == b'.' || b == b'-'),
                "codes.web_otp_domain must be a bare domain, such as login.example.com",
            ),
            self.shield.validate(),
        ];
        outcomes.extend(self.validate_identity());
        for required in [
            "login_s4",
            "login_s2",
            "patient_access",
            "step_up",
            "password_reset",
            "phone_change",
            "reproof",
        ] {
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
