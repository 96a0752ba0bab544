//! The same code, spoken; the last line of the SMS; test numbers; the fate of a message.

use std::time::Duration;

use auth_otp::AuthOtp;
use chrono::Utc;
use common_types::events::integrations::MessageFailed;
use serde_json::{Value, json};
use service_config::Sources;
use service_events::outbox;
use service_testing::eventually;
use tokio_util::sync::CancellationToken;
use wiremock::matchers::any;
use wiremock::{Mock, ResponseTemplate};

use crate::harness::{App, E164, PHONE, accept_messages, text};

fn spoken(messages: &[Value]) -> Vec<&Value> {
    messages
        .iter()
        .filter(|message| message["channel"] == "voice")
        .collect()
}

async fn messages(app: &App) -> Vec<Value> {
    let requests = app.inbox.received_requests().await.unwrap();
    requests
        .iter()
        .map(|request| request.body_json().unwrap())
        .collect()
}

#[tokio::test]
async fn a12_the_same_code_is_spoken_once_after_the_wait() {
    for (ask, call, field) in [
        (
            "/api/auth/otp/request/",
            "/api/auth/otp/call/",
            "phone_number",
        ),
        ("/api/otp/send/", "/api/otp/call/", "mobile_number"),
    ] {
        let app = App::start().await;
        let body = json!({ field: PHONE });
        app.post(call, body.clone()).await.expect(400);
        app.post(ask, body.clone()).await.expect(200);
        let code = app.code(E164).await;
        app.advance(10);
        let early = app.post(call, body.clone()).await;
        assert!(matches!(early.status, 409 | 429), "{}", early.body);
        assert_eq!(early.header("retry-after"), Some("20"));
        app.advance(20);
        app.post(call, json!({ field: "۰۹۱۲ ۱۲۳ ۴۵۶۷" }))
            .await
            .expect(200);
        let sent = messages(&app).await;
        let calls = spoken(&sent);
        assert_eq!(calls.len(), 1);
        assert_eq!(calls[0]["template"]["tokens"]["token"], code);
        assert_eq!(
            (&calls[0]["to"], &calls[0]["purpose"]),
            (&json!(E164), &json!("otp"))
        );
        // Once per code, and the cooldown of the next code is the old one.
        app.post(call, body.clone()).await.expect(400);
        assert_eq!(messages(&app).await.len(), 2);
    }
}

#[tokio::test]
async fn a12_a_refused_call_costs_nothing_and_may_be_asked_for_again() {
    let app = App::start_with(&[("BUDGETS__PHONE_PER_HOUR", "2")]).await;
    let body = json!({"phone_number": PHONE});
    app.post("/api/auth/otp/request/", body.clone())
        .await
        .expect(200);
    app.advance(30);
    app.inbox.reset().await;
    Mock::given(any())
        .respond_with(ResponseTemplate::new(502).set_body_json(json!({"state": "refused"})))
        .mount(&app.inbox)
        .await;
    for _ in 0..3 {
        app.post("/api/auth/otp/call/", body.clone())
            .await
            .expect(400);
    }
    app.inbox.reset().await;
    accept_messages(&app.inbox).await;
    app.post("/api/auth/otp/call/", body.clone())
        .await
        .expect(200);
    // A call is a send: the hour's two are gone.
    app.advance(31);
    let spent = app.post("/api/auth/otp/request/", body).await;
    assert_eq!(spent.body["retry_after"], 3600 - 61);
    spent.expect(429);
}

#[tokio::test]
async fn a_consent_code_is_never_spoken() {
    let app = App::start_with(&[("CODES__PROFILES__LOGIN_S4__VOICE", "false")]).await;
    let body = json!({"phone_number": PHONE});
    app.post("/api/auth/otp/request/", body.clone())
        .await
        .expect(200);
    app.advance(60);
    app.post("/api/auth/otp/call/", body).await.expect(400);
    assert!(spoken(&messages(&app).await).is_empty());
}

#[tokio::test]
async fn the_last_line_of_the_sms_binds_the_code_to_the_domain() {
    let app = App::start_with(&[("CODES__WEB_OTP_DOMAIN", "app.example.com")]).await;
    app.post("/api/auth/otp/request/", json!({"phone_number": PHONE}))
        .await
        .expect(200);
    let code = app.code(E164).await;
    let sms = text(&app.last_sms(E164).await, "text");
    assert_eq!(
        sms.lines().last().unwrap(),
        format!("@app.example.com #{code}")
    );
}

fn with_numbers(environment: &str) -> Result<auth_otp::Settings, service_config::ConfigError> {
    let key = "0123456789abcdef0123456789abcdef";
    let variables = [
        ("TABIB_ENVIRONMENT", environment),
        (
            "AUTH_OTP__DATABASE__URL",
            "postgres://unused@127.0.0.1/unused",
        ),
        ("AUTH_OTP__REDIS__URL", "redis://127.0.0.1:1/0"),
        ("AUTH_OTP__AMQP__URL", "amqp://127.0.0.1:1/%2f"),
        ("AUTH_OTP__AUTH__CLIENT_SECRET", key),
        ("AUTH_OTP__AUTH__CLIENT_IP_KEY", key),
        ("AUTH_OTP__SEALING__ACTIVE_KEY_ID", "k1"),
        (
            "AUTH_OTP__SEALING__KEYS__K1",
            "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
        ),
        ("AUTH_OTP__TOKENS__REFRESH_KEY", key),
        ("AUTH_OTP__CODES__KEY", key),
        (
            "AUTH_OTP__CODES__TEST_NUMBERS_UNTIL",
            "2099-01-01T00:00:00Z",
        ),
    ];
    let numbers = "[codes.test_numbers]\n\"09121234567\" = \"12345\"\n";
    service_http::cli::load::<AuthOtp>(Sources::from_map(variables).with_file_text(numbers))
}

#[test]
fn test_numbers_are_refused_in_production() {
    assert!(with_numbers("development").is_ok());
    let refused = with_numbers("production").unwrap_err().to_string();
    assert!(refused.contains("test"), "{refused}");
}

#[tokio::test]
async fn a_message_that_will_not_arrive_ends_the_cooldown() {
    let app = App::start().await;
    let body = json!({"phone_number": PHONE});
    app.post("/api/auth/otp/request/", body.clone())
        .await
        .expect(200);
    let sms = app.last_sms(E164).await;
    app.post("/api/auth/otp/request/", body.clone())
        .await
        .expect(429);
    let worker = service_http::cli::worker::<AuthOtp>(&app.state.stack, &app.state);
    let cancel = CancellationToken::new();
    let running = tokio::spawn(worker.run(cancel.clone()));
    // As integrations would tell it.
    let event = MessageFailed {
        message_id: uuid::Uuid::now_v7(),
        aggregate_version: 2,
        organization_id: None,
        reference: Some(text(&sms, "reference")),
        purpose: "otp".to_owned(),
        channel: "sms".to_owned(),
        provider: Some("kavenegar".to_owned()),
        reason: "not_delivered".to_owned(),
        failed_at: Utc::now(),
    };
    let mut conn = app.db.db.get().await.unwrap();
    outbox::emit(&mut conn, "integrations", &event, Utc::now())
        .await
        .unwrap();
    drop(conn);
    app.state.stack.outbox.wake();
    eventually(Duration::from_secs(60), async || {
        app.post("/api/auth/otp/request/", body.clone())
            .await
            .status
            == 200
    })
    .await;
    cancel.cancel();
    running.await.unwrap();
}
