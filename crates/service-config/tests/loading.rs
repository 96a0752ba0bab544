//! Loading order, unknown keys, missing secrets and old names, as a service meets them.
#![allow(clippy::unwrap_used)]

use serde::Deserialize;
use service_config::*;

const DEFAULTS: &str = r#"
environment = "production"
origins = ["https://a.example"]
[server]
port = 8103
[database]
max_connections = 7
[limits]
per_day = 10
enabled = true
"#;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    #[serde(default)]
    environment: Environment,
    origins: Vec<String>,
    server: ServerSettings,
    database: DatabaseSettings,
    limits: Limits,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Limits {
    per_day: u32,
    enabled: bool,
    #[serde(default)]
    sms_key: Option<Secret>,
}

impl Validate for Settings {
    fn validate(&self) -> Result<(), Vec<String>> {
        all([
            self.server.validate(),
            self.database.validate(),
            rule(self.limits.per_day > 0, "limits.per_day must be positive"),
        ])
    }
}

const DB: (&str, &str) = ("DATABASE_URL", "postgres://app:hunter2@db/payments");

fn load_env(env: &[(&str, &str)]) -> Result<Settings, ConfigError> {
    load("payments", DEFAULTS, Sources::from_map(env.iter().copied()))
}

#[test]
fn defaults_and_the_well_known_address_are_enough() {
    let s = load_env(&[DB]).unwrap();
    assert_eq!(s.environment, Environment::Production);
    assert_eq!((s.server.port, s.database.max_connections), (8103, 7));
    assert_eq!(s.database.url.expose(), DB.1);
}

#[test]
fn a_later_source_wins_and_text_is_converted() {
    let sources = Sources::from_map([
        DB,
        ("PAYMENTS__DATABASE__URL", "postgres://own@db/x"),
        ("PAYMENTS__LIMITS__PER_DAY", "99"),
        ("PAYMENTS__LIMITS__ENABLED", "false"),
        ("PAYMENTS__SERVER__HOST", ""),
        ("TABIB_ENVIRONMENT", "development"),
    ])
    .with_file_text("[limits]\nper_day = 50\n[server]\nport = 9000\n");
    let s: Settings = load("payments", DEFAULTS, sources).unwrap();
    assert_eq!(s.database.url.expose(), "postgres://own@db/x");
    assert_eq!((s.limits.per_day, s.server.port), (99, 9000));
    assert!(!s.limits.enabled);
    assert_eq!(s.server.host, "127.0.0.1");
    assert_eq!(s.environment, Environment::Development);
}

#[test]
fn lists_come_as_toml_or_with_commas() {
    let s = load_env(&[
        DB,
        ("PAYMENTS__ORIGINS", "https://x.example, https://y.example"),
    ])
    .unwrap();
    assert_eq!(s.origins, ["https://x.example", "https://y.example"]);
    let s = load_env(&[DB, ("PAYMENTS__ORIGINS", r#"["https://z.example"]"#)]).unwrap();
    assert_eq!(s.origins, ["https://z.example"]);
}

#[test]
fn an_unknown_variable_with_our_prefix_is_refused_by_name() {
    let error = load_env(&[DB, ("PAYMENTS__SERVER__PROT", "1")])
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("`server.prot`") && error.contains("PAYMENTS__SERVER__PROT"),
        "{error}"
    );
    let error = load_env(&[DB, ("PAYMENTS__SREVER__PORT", "1")])
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("`srever`") && error.contains("PAYMENTS__SREVER__PORT"),
        "{error}"
    );
    assert!(load_env(&[DB, ("PORTAL__SREVER__PORT", "1")]).is_ok());
}

#[test]
fn an_unknown_key_in_the_file_is_refused_by_name() {
    let sources = Sources::from_map([DB]).with_file_text("[database]\nmax_conections = 3\n");
    let error = load::<Settings>("payments", DEFAULTS, sources)
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("`database.max_conections`") && error.contains("settings file"),
        "{error}"
    );
}

#[test]
fn a_missing_secret_is_named_with_its_variable() {
    let error = load_env(&[]).unwrap_err().to_string();
    assert!(
        error.contains("`database.url`")
            && error.contains("PAYMENTS__DATABASE__URL")
            && error.contains("DATABASE_URL"),
        "{error}"
    );
}

#[test]
fn no_value_stands_in_errors_or_debug() {
    let error = load_env(&[DB, ("PAYMENTS__LIMITS__PER_DAY", "hunter3")])
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("`limits.per_day`")
            && error.contains("PAYMENTS__LIMITS__PER_DAY")
            && !error.contains("hunter3"),
        "{error}"
    );
    let error = load_env(&[DB, ("TABIB_ENVIRONMENT", "hunter4")])
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("environment") && !error.contains("hunter4"),
        "{error}"
    );
    assert!(!format!("{:?}", load_env(&[DB]).unwrap()).contains("hunter2"));
}

#[test]
fn rules_are_told_together() {
    let error = load_env(&[
        ("DATABASE_URL", "mysql://x/y"),
        ("PAYMENTS__LIMITS__PER_DAY", "0"),
    ])
    .unwrap_err();
    let ConfigError::Rules(rules) = error else {
        panic!("{error}")
    };
    assert_eq!(rules.len(), 2);
}

#[test]
fn broken_toml_and_a_missing_file_are_named() {
    let error = load::<Settings>(
        "payments",
        DEFAULTS,
        Sources::from_map([DB]).with_file_text("a = 1\nb = \n"),
    )
    .unwrap_err();
    assert!(
        matches!(error, ConfigError::Syntax { line: 2, .. }),
        "{error}"
    );
    let error = load_env(&[DB, ("TABIB_CONFIG_FILE", "/nowhere/tabib.toml")])
        .unwrap_err()
        .to_string();
    assert!(error.contains("/nowhere/tabib.toml"), "{error}");
}

#[test]
fn old_names_work_in_order_and_lose_to_new_ones() {
    const ALIASES: &[Alias] = &[
        Alias::new("KAVENEGAR_COM_API_KEY", "limits.sms_key"),
        Alias::new("KAVENEGAR_API_KEY", "limits.sms_key"),
        Alias::converted("PER_WEEK", "limits.per_day", |t| {
            t.parse::<u32>()
                .map(|n| (n / 7).to_string())
                .map_err(|_| "expected a number".into())
        }),
    ];
    let run = |env: &[(&str, &str)]| {
        load_with_aliases::<Settings>(
            "payments",
            DEFAULTS,
            Sources::from_map(env.iter().copied()),
            ALIASES,
        )
    };
    let s = run(&[
        DB,
        ("KAVENEGAR_API_KEY", "old"),
        ("KAVENEGAR_COM_API_KEY", "older"),
        ("PER_WEEK", "70"),
    ])
    .unwrap();
    assert_eq!(s.limits.sms_key.unwrap().expose(), "older");
    assert_eq!(s.limits.per_day, 10);
    let s = run(&[
        DB,
        ("KAVENEGAR_API_KEY", "old"),
        ("PAYMENTS__LIMITS__SMS_KEY", "new"),
    ])
    .unwrap();
    assert_eq!(s.limits.sms_key.unwrap().expose(), "new");
    assert!(
        run(&[DB, ("PER_WEEK", "x")])
            .unwrap_err()
            .to_string()
            .contains("PER_WEEK")
    );
    let both = Sources::from_map([
        ("KAVENEGAR_API_KEY", "old"),
        ("KAVENEGAR_COM_API_KEY", "older"),
    ]);
    assert_eq!(alias_conflicts(&both, ALIASES).len(), 1);
}

#[test]
fn sealing_keys_are_32_bytes_and_the_active_one_exists() {
    let keys = |id: &str, key: &str| SealingSettings {
        active_key_id: "k1".into(),
        keys: [(id.to_owned(), Secret::new(key))].into(),
    };
    assert!(
        keys("k1", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=")
            .validate()
            .is_ok()
    );
    assert!(
        keys("k2", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=")
            .validate()
            .is_err()
    );
    assert!(keys("k1", "AAAA").validate().is_err());
}
