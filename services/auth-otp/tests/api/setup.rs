//! First start, sample data, sweeping, the API document.

use std::time::Duration;

use auth_otp::AuthOtp;
use diesel::sql_types::BigInt;
use diesel_async::RunQueryDsl;
use serde_json::json;
use service_config::Sources;
use service_http::ServiceDefinition;
use service_testing::eventually;
use tokio_util::sync::CancellationToken;

use crate::harness::{App, PHONE};

#[derive(diesel::QueryableByName)]
struct Count {
    #[diesel(sql_type = BigInt)]
    count: i64,
}

async fn count(app: &App, sql: &str) -> i64 {
    let mut conn = app.db.db.get().await.unwrap();
    let row: Count = diesel::sql_query(format!("SELECT count(*) AS count FROM {sql}"))
        .get_result(&mut conn)
        .await
        .unwrap();
    row.count
}

#[tokio::test]
async fn the_sample_clinic_can_be_seeded_again_and_again() {
    let app = App::start().await;
    for _ in 0..3 {
        auth_otp::setup::seed(&app.state, "demo").await.unwrap();
    }
    assert_eq!(count(&app, "users").await, 7);
    assert_eq!(count(&app, "memberships").await, 6);
    assert_eq!(count(&app, "organizations").await, 1);
    assert_eq!(count(&app, "workspaces").await, 1);
    assert!(auth_otp::setup::seed(&app.state, "other").await.is_err());
    let me = app
        .get("/api/auth/me/", &app.access("09120000001").await)
        .await
        .expect(200);
    assert_eq!(
        (&me["clinic_role"], &me["organization_id"]),
        (&json!("doctor"), &json!(auth_otp::setup::DEMO_ORGANIZATION))
    );
}

#[tokio::test]
async fn the_first_start_makes_the_superuser_and_never_promotes() {
    let app = App::start_with(&[
        ("ADMIN__PHONE", PHONE),
        ("ADMIN__PASSWORD", "a long password"),
    ])
    .await;
    eventually(Duration::from_secs(60), async || {
        count(&app, "users WHERE is_superuser").await == 1
    })
    .await;
    let body = json!({"username": PHONE, "password": "a long password"});
    let login = app.post("/api/auth/token/", body).await.expect(200);
    assert_eq!(login["user"]["role"], "superuser");
    let mut conn = app.db.db.get().await.unwrap();
    diesel::sql_query("UPDATE users SET is_superuser = false")
        .execute(&mut conn)
        .await
        .unwrap();
    auth_otp::setup::first_start(&app.state).await.unwrap();
    assert_eq!(count(&app, "users WHERE is_superuser").await, 0);
}

#[tokio::test]
async fn a18_expired_codes_are_swept_an_hour_later() {
    let app = App::start().await;
    app.post("/api/auth/otp/request/", json!({"phone_number": PHONE}))
        .await
        .expect(200);
    app.advance(3700);
    app.post("/api/otp/send/", json!({"mobile_number": PHONE}))
        .await
        .expect(200);
    assert_eq!(count(&app, "one_time_codes").await, 2);
    app.advance(300);
    let cancel = CancellationToken::new();
    let worker = service_http::cli::worker::<AuthOtp>(&app.state.stack, &app.state);
    let running = tokio::spawn(worker.run(cancel.clone()));
    eventually(Duration::from_secs(60), async || {
        count(&app, "one_time_codes").await == 1
    })
    .await;
    assert_eq!(
        count(&app, "one_time_codes WHERE purpose = 'login_s2'").await,
        1
    );
    cancel.cancel();
    running.await.unwrap();
}

#[test]
fn settings_are_checked_and_old_names_work() {
    let variables = |environment: &str| {
        [
            ("TABIB_ENVIRONMENT", environment),
            ("AUTH_OTP__DATABASE__URL", "postgres://a@127.0.0.1/a"),
            ("AUTH_OTP__REDIS__URL", "redis://127.0.0.1/0"),
            ("AUTH_OTP__AMQP__URL", "amqp://127.0.0.1/%2f"),
            (
                "AUTH_OTP__AUTH__CLIENT_SECRET",
                "0123456789abcdef0123456789abcdef",
            ),
            (
                "AUTH_OTP__AUTH__CLIENT_IP_KEY",
                "0123456789abcdef0123456789abcdef",
            ),
            ("AUTH_OTP__SEALING__ACTIVE_KEY_ID", "k1"),
            (
                "AUTH_OTP__SEALING__KEYS__K1",
                "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
            ),
            (
                "AUTH_OTP__TOKENS__REFRESH_KEY",
                "0123456789abcdef0123456789abcdef",
            ),
            ("AUTH_OTP__CODES__KEY", "0123456789abcdef0123456789abcdef"),
            (
                "AUTH_OTP__CODES__TEST_NUMBERS_UNTIL",
                "2030-01-01T00:00:00Z",
            ),
            ("AUTH_OTP__CODES__TEST_NUMBERS__09121234567", "123456"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
    };
    let load =
        |environment| service_http::cli::load::<AuthOtp>(Sources::from_map(variables(environment)));
    assert!(
        load("production")
            .unwrap_err()
            .to_string()
            .contains("test_numbers")
    );
    let mut named = variables("test").to_vec();
    named.push(("TABIB_ADMIN_PHONE".to_owned(), "09121234567".to_owned()));
    named.push((
        "TABIB_ADMIN_PASSWORD".to_owned(),
        "a long password".to_owned(),
    ));
    named.push(("OTP_MAX_ATTEMPTS".to_owned(), "4".to_owned()));
    let old = service_http::cli::load::<AuthOtp>(Sources::from_map(named)).unwrap();
    assert_eq!(old.admin.phone, "09121234567");
    assert!(old.admin.password.is_some());
    assert_eq!(
        (old.codes.profiles["login_s4"].attempts, old.budget_factor()),
        (4, 1)
    );
    let settings = load("development").unwrap();
    assert_eq!(settings.budget_factor(), 100);
    assert!(
        format!("{settings:?}").contains("***")
            && !format!("{settings:?}").contains("0123456789abcdef")
    );
}

#[tokio::test]
async fn migrations_go_down_and_up_again() {
    let app = App::start().await;
    let settings = app.db.settings();
    let shape = "information_schema.columns WHERE table_schema = 'public'";
    let before = count(&app, shape).await;
    service_db::revert_all(&settings, auth_otp::MIGRATIONS)
        .await
        .unwrap();
    assert!(count(&app, shape).await < 10);
    service_db::migrate(&settings, auth_otp::MIGRATIONS, &[])
        .await
        .unwrap();
    assert_eq!(count(&app, shape).await, before);
    let loose = "pg_constraint c WHERE contype = 'f' AND NOT EXISTS (SELECT 1 FROM pg_index i \
                 WHERE i.indrelid = c.conrelid AND i.indkey[0] = c.conkey[1] AND i.indpred IS NULL)";
    assert_eq!(
        count(&app, loose).await,
        0,
        "a foreign key without an index"
    );
}

/// Routes that need no token; every other one answers 401 without.
pub(crate) const OPEN: [&str; 23] = [
    "/api/register/",
    "/api/auth/recovery/",
    "/api/login/",
    "/api/auth/password/reset/request/",
    "/api/auth/password/reset/confirm/",
    "/api/auth/second-factor/verify/",
    "/api/v1/auth/otp/request",
    "/api/v1/auth/otp/verify",
    "/api/v1/auth/token/refresh",
    "/api/auth/otp/request/",
    "/api/auth/otp/verify/",
    "/api/otp/send/",
    "/api/authenticate/",
    "/api/auth/otp/call/",
    "/api/auth/otp/reproof/",
    "/api/auth/otp/reproof/verify/",
    "/api/otp/call/",
    "/api/auth/token/",
    "/api/auth/token/refresh/",
    "/api/auth/oauth/token/",
    "/.well-known/jwks.json",
    "/health/live",
    "/health/ready",
];

#[tokio::test]
async fn every_route_but_a_written_list_needs_a_token() {
    let app = App::start().await;
    let document = serde_json::to_value(AuthOtp::openapi()).unwrap();
    let mut asked = 0;
    for (path, operations) in document["paths"].as_object().unwrap() {
        for method in operations.as_object().unwrap().keys() {
            let Ok(method) = reqwest::Method::from_bytes(method.to_uppercase().as_bytes()) else {
                continue;
            };
            let concrete = path
                .replace("{id}", "01900000-0000-7000-8000-000000000101")
                .replace("{workspace}", "1")
                .replace("{member}", "1")
                .replace("{phone}", PHONE);
            let answer =
                crate::harness::send(app.request(method.clone(), &concrete).json(&json!({}))).await;
            let open = OPEN.contains(&path.as_str());
            assert_eq!(
                answer.status == 401,
                !open,
                "{method} {path}: {}",
                answer.status
            );
            asked += 1;
        }
    }
    assert!(asked >= 30, "{asked}");
}

#[tokio::test]
async fn a_test_number_has_its_fixed_code_until_its_day() {
    let app = App::start_with(&[
        ("CODES__TEST_NUMBERS_UNTIL", "2100-01-01T00:00:00Z"),
        ("CODES__TEST_NUMBERS__09121234567", "4321"),
    ])
    .await;
    app.post("/api/auth/otp/request/", json!({"phone_number": PHONE}))
        .await
        .expect(200);
    assert!(app.inbox.received_requests().await.unwrap().is_empty());
    let body = json!({"phone_number": PHONE, "code": "432143"});
    app.post("/api/auth/otp/verify/", body.clone())
        .await
        .expect(200);
    app.clock.set(
        chrono::DateTime::parse_from_rfc3339("2100-01-01T00:00:01Z")
            .unwrap()
            .to_utc(),
    );
    app.post("/api/auth/otp/request/", json!({"phone_number": PHONE}))
        .await
        .expect(200);
    assert_eq!(app.inbox.received_requests().await.unwrap().len(), 1);
}

#[test]
fn the_api_document_names_every_route() {
    let document = serde_json::to_value(AuthOtp::openapi()).unwrap();
    let paths = document["paths"].as_object().unwrap();
    for path in [
        "/api/auth/otp/request/",
        "/api/auth/otp/verify/",
        "/api/otp/send/",
        "/api/authenticate/",
        "/api/auth/token/",
        "/api/auth/token/refresh/",
        "/api/auth/logout/",
        "/api/sessions/",
        "/api/sessions/{id}/",
        "/api/auth/me/",
        "/api/auth/organizations/",
        "/api/auth/organization-members/",
        "/api/auth/workspaces/",
        "/api/auth/oauth/token/",
        "/.well-known/jwks.json",
        "/internal/codes/",
    ] {
        assert!(paths.contains_key(path), "{path}");
    }
}
