//! The numbers that the documents promise are the defaults; other tests widen budgets to look at one thing at a time.

use std::collections::BTreeMap;

use auth_otp::{AuthOtp, Settings};
use service_config::Sources;

use crate::harness::KEY;

fn defaults() -> Settings {
    let variables: BTreeMap<String, String> = [
        ("DATABASE__URL", "postgres://unused@127.0.0.1/unused"),
        ("REDIS__URL", "redis://127.0.0.1:1/0"),
        ("AMQP__URL", "amqp://127.0.0.1:1/%2f"),
        ("AUTH__ISSUER", "https://id.example"),
        ("AUTH__JWKS_URL", "http://127.0.0.1:9/jwks"),
        ("AUTH__PORTAL_JWKS_URL", "http://127.0.0.1:9/jwks"),
        ("AUTH__CLIENT_SECRET", KEY),
        ("AUTH__CLIENT_IP_KEY", KEY),
        ("SEALING__ACTIVE_KEY_ID", "k1"),
        (
            "SEALING__KEYS__K1",
            "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
        ),
        ("TOKENS__REFRESH_KEY", KEY),
        ("CODES__KEY", KEY),
        ("PEERS__INTEGRATIONS", "http://127.0.0.1:9"),
    ]
    .into_iter()
    .map(|(name, value)| (format!("AUTH_OTP__{name}"), value.to_owned()))
    .chain([("TABIB_ENVIRONMENT".to_owned(), "test".to_owned())])
    .collect();
    service_http::cli::load::<AuthOtp>(Sources::from_map(variables)).unwrap()
}

#[test]
fn q_a1_q_a2_the_promised_limits_are_the_defaults() {
    let settings = defaults();
    // Purpose, digits, lifetime, attempts, cooldown (decisions.md 11, wire.md 4.1 and 6.2).
    for (purpose, length, lifetime, attempts, cooldown) in [
        ("login_s4", 6, 300, 5, 60),
        ("login_s2", 8, 240, 5, 60),
        ("patient_access", 6, 300, 3, 60),
    ] {
        let profile = &settings.codes.profiles[purpose];
        assert_eq!(
            (
                profile.length,
                profile.lifetime_seconds,
                profile.attempts,
                profile.cooldown_seconds
            ),
            (length, lifetime, attempts, cooldown),
            "{purpose}"
        );
    }
    let budgets = &settings.budgets;
    assert_eq!((budgets.phone_per_hour, budgets.phone_per_day), (5, 10));
    assert_eq!(
        (budgets.ip_sends_per_minute, budgets.phone_sends_per_minute),
        (5, 3)
    );
    assert_eq!(budgets.failure_ceiling, 100);
    assert_eq!(settings.shield.challenge_failures, 2_000);
    assert!(budgets.ip_per_hour > 0 && budgets.prefix_per_hour > 0 && budgets.global_per_hour > 0);
    // A09, Q-A5, wire.md 9.2.
    assert_eq!(settings.tokens.access_lifetime_seconds, 900);
    assert_eq!(settings.tokens.refresh_lifetime_seconds, 7 * 86_400);
    assert_eq!(settings.tokens.stable_lifetime_seconds, 86_400);
    assert_eq!(settings.tokens.rotation_window_seconds, 10);
}
