use std::process::{Command, Output};

fn run(arguments: &[&str], env: &[(&str, &str)]) -> (i32, String, String) {
    let Output {
        status,
        stdout,
        stderr,
    } = Command::new(env!("CARGO_BIN_EXE_tabib-patient-access"))
        .args(arguments)
        .env_clear()
        .envs(env.iter().copied())
        .output()
        .unwrap();
    (
        status.code().unwrap(),
        String::from_utf8(stdout).unwrap(),
        String::from_utf8(stderr).unwrap(),
    )
}

const ENOUGH: [(&str, &str); 6] = [
    ("DATABASE_URL", "postgres://app:hidden-1@127.0.0.1:1/x"),
    ("REDIS_URL", "redis://:hidden-2@127.0.0.1:1/0"),
    ("AMQP_URL", "amqp://app:hidden-3@127.0.0.1:1/%2f"),
    (
        "PATIENT_ACCESS__AUTH__CLIENT_SECRET",
        "hidden-4-hidden-4-hidden-4-hidden-4",
    ),
    (
        "PATIENT_ACCESS__AUTH__CLIENT_IP_KEY",
        "hidden-5-hidden-5-hidden-5-hidden-5",
    ),
    (
        "PATIENT_ACCESS__SEALING__KEYS__K1",
        "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=",
    ),
];

#[test]
fn check_config_shows_everything_but_secrets() {
    let (code, out, err) = run(&["check-config"], &ENOUGH);
    assert_eq!(code, 0, "{err}");
    assert!(
        out.contains("port: 8102") && out.contains("worker_port: 8202"),
        "{out}"
    );
    for hidden in ["hidden-", "BwcHBw"] {
        assert!(!out.contains(hidden), "{out}");
    }
}

#[test]
fn check_config_names_what_is_missing_or_wrong_and_exits_with_2() {
    for (left_out, _) in ENOUGH {
        let rest: Vec<_> = ENOUGH
            .into_iter()
            .filter(|(name, _)| *name != left_out)
            .collect();
        let (code, _, err) = run(&["check-config"], &rest);
        assert_eq!(code, 2, "{left_out}");
        let parts: Vec<_> = left_out.split("__").collect();
        let key = parts
            .get(1)
            .copied()
            .unwrap_or(left_out)
            .split('_')
            .next()
            .unwrap();
        assert!(err.to_uppercase().contains(key), "{key}: {err}");
        assert!(!err.contains("hidden-"), "{err}");
    }
    let mut direct = ENOUGH.to_vec();
    direct.push(("SOAPIFY_USE_DIRECT_DB", "True"));
    let (code, _, err) = run(&["check-config"], &direct);
    assert_eq!(code, 2);
    assert!(err.contains("direct_db"), "{err}");
    let mut mock = ENOUGH.to_vec();
    mock.push(("PATIENT_ACCESS__SOAPIFY__ADAPTER", "mock"));
    assert_eq!(
        run(&["check-config"], &mock).0,
        2,
        "made-up data in production"
    );
    mock.push(("TABIB_ENVIRONMENT", "development"));
    assert_eq!(run(&["check-config"], &mock).0, 0);
}

#[test]
fn p08_the_names_of_the_replaced_system_still_work() {
    let mut old = ENOUGH.to_vec();
    old.extend([
        ("SOAPIFY_API_URL", "http://soapify.test/api"),
        ("SOAPIFY_API_KEY", "hidden-6"),
        ("SOAPIFY_USE_DIRECT_DB", "False"),
    ]);
    let (code, out, err) = run(&["check-config"], &old);
    assert_eq!(code, 0, "{err}");
    assert!(
        out.contains("http://soapify.test/api")
            && out.contains("Http")
            && !out.contains("hidden-6"),
        "{out}"
    );
}

#[test]
fn openapi_needs_no_settings_and_wrong_commands_exit_with_2() {
    let (code, out, _) = run(&["openapi"], &[]);
    assert_eq!(code, 0);
    let document: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert!(
        document["paths"]["/crazyminer/patient/request/"]["post"]["operationId"]
            == "create_access_request"
    );
    assert_eq!(run(&[], &[]).0, 2);
}

#[test]
fn sample_data_never_goes_into_production() {
    let (code, _, err) = run(&["seed", "demo"], &ENOUGH);
    assert_eq!(code, 1);
    assert!(err.contains("production"), "{err}");
}
