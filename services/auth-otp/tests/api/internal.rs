//! The internal API: service tokens only.

use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{App, E164, PHONE, send, text};
use crate::otp::wrong;

async fn wish(app: &App, token: &str, binding: &str) -> crate::harness::Answer {
    let body = json!({
        "purpose": "patient_access", "phone": PHONE, "binding": binding, "language": "fa",
        "variables": {"doctor_name": "دکتر مریم رضایی"},
    });
    app.call(Method::POST, "/internal/codes/", token, body)
        .await
}

async fn verify(app: &App, token: &str, id: &str, binding: &str, code: &str) -> (String, i64) {
    let body = json!({"phone": "+98 912 123 4567", "binding": binding, "code": code});
    let path = format!("/internal/codes/{id}/verify/");
    let answer = app.call(Method::POST, &path, token, body).await.expect(200);
    (
        text(&answer, "outcome"),
        answer["attempts_left"].as_i64().unwrap(),
    )
}

#[tokio::test]
async fn p06_a_consent_code_has_three_attempts_and_names_the_doctor() {
    let app = App::start().await;
    let token = app.service_token().await;
    let sent = wish(&app, &token, "doctor-1").await.expect(201);
    assert_eq!(sent["cooldown_seconds"], 60);
    let id = text(&sent, "challenge_id");
    let sms = app.last_sms(E164).await;
    assert!(text(&sms, "text").contains("دکتر مریم رضایی"));
    assert_eq!(sms["template"]["key"], "patient-access-otp");
    let code = app.code(E164).await;
    for (outcome, left) in [
        ("wrong", 2),
        ("wrong", 1),
        ("wrong", 0),
        ("burned", 0),
        ("unknown", 0),
    ] {
        assert_eq!(
            verify(&app, &token, &id, "doctor-1", &wrong(&code)).await,
            (outcome.to_owned(), left)
        );
    }
    assert_eq!(
        verify(&app, &token, &id, "doctor-1", &code).await.0,
        "unknown"
    );
}

#[tokio::test]
async fn p06_a_right_code_counts_once_and_only_for_its_binding() {
    let app = App::start().await;
    let token = app.service_token().await;
    let sent = wish(&app, &token, "doctor-1").await.expect(201);
    let (id, code) = (text(&sent, "challenge_id"), app.code(E164).await);
    assert_eq!(
        verify(&app, &token, &id, "doctor-2", &code).await.0,
        "unknown"
    );
    // A login does not take it.
    let body = json!({"phone_number": PHONE, "code": code});
    assert_eq!(
        app.post("/api/auth/otp/verify/", body).await.expect(400)["message"],
        "Invalid or expired OTP code"
    );
    assert_eq!(
        verify(&app, &token, &id, "doctor-1", &code).await,
        ("verified".to_owned(), 0)
    );
    assert_eq!(
        verify(&app, &token, &id, "doctor-1", &code).await.0,
        "unknown"
    );
}

#[tokio::test]
async fn p07_another_doctors_request_cancels_nothing() {
    let app = App::start().await;
    let token = app.service_token().await;
    let first = wish(&app, &token, "doctor-1").await.expect(201);
    let code = app.code(E164).await;
    wish(&app, &token, "doctor-2").await.expect(201);
    app.advance(30);
    let too_soon = wish(&app, &token, "doctor-1").await.expect(429);
    assert_eq!(too_soon["retry_after"], 30);
    assert_eq!(
        verify(
            &app,
            &token,
            &text(&first, "challenge_id"),
            "doctor-1",
            &code
        )
        .await
        .0,
        "verified"
    );
}

#[tokio::test]
async fn p06_an_expired_code_keeps_its_attempts() {
    let app = App::start().await;
    let token = app.service_token().await;
    let sent = wish(&app, &token, "d").await.expect(201);
    let (id, code) = (text(&sent, "challenge_id"), app.code(E164).await);
    verify(&app, &token, &id, "d", &wrong(&code)).await;
    app.advance(300);
    assert_eq!(
        verify(&app, &token, &id, "d", &code).await,
        ("expired".to_owned(), 2)
    );
}

#[tokio::test]
async fn logins_are_not_for_other_services() {
    let app = App::start().await;
    let token = app.service_token().await;
    let body = json!({"purpose": "login_s4", "phone": PHONE, "binding": "x", "language": "fa"});
    let answer = app
        .call(Method::POST, "/internal/codes/", &token, body)
        .await
        .expect(400);
    assert!(answer["purpose"].is_array());
}

#[tokio::test]
async fn only_patient_access_sends_consent_codes() {
    let app = App::start().await;
    let other = app.issuer().await.service("content");
    wish(&app, &other, "d").await.expect(403);
    assert!(app.inbox.received_requests().await.unwrap().is_empty());
}

#[tokio::test]
async fn only_service_tokens_open_internal_routes() {
    let app = App::start().await;
    let person = app.access(PHONE).await;
    let id = uuid::Uuid::now_v7();
    for (method, path) in [
        (Method::GET, "/internal/revocations?since=0".to_owned()),
        (Method::POST, "/internal/api-keys/introspect".to_owned()),
        (Method::POST, "/internal/codes/".to_owned()),
        (Method::POST, format!("/internal/codes/{id}/verify/")),
        (Method::GET, format!("/internal/users/{id}")),
        (
            Method::GET,
            "/internal/users/by-phone/09121234567".to_owned(),
        ),
    ] {
        send(app.request(method.clone(), &path).json(&json!({})))
            .await
            .expect(401);
        app.call(method.clone(), &path, &person, json!({}))
            .await
            .expect(401);
    }
    // And a service token opens nothing of people's.
    let service = app.service_token().await;
    app.get("/api/auth/me/", &service).await.expect(401);
}

#[tokio::test]
async fn users_are_found_by_any_spelling_of_the_phone_and_by_id() {
    let app = App::start().await;
    auth_otp::setup::seed(&app.state, "demo").await.unwrap();
    let token = app.service_token().await;
    for phone in ["+989120000001", "09120000001", "00989120000001"] {
        let user = app
            .get(&format!("/internal/users/by-phone/{phone}"), &token)
            .await
            .expect(200);
        assert_eq!(user["id"], "01900000-0000-7000-8000-000000000102");
        assert_eq!(
            user["organization_id"],
            "01900000-0000-7000-8000-000000000001"
        );
        assert_eq!(
            (&user["phone"], &user["language"]),
            (&json!("+989120000001"), &json!("fa"))
        );
        let path = format!("/internal/users/{}", text(&user, "id"));
        assert_eq!(app.get(&path, &token).await.expect(200), user);
    }
    app.get("/internal/users/by-phone/09129999999", &token)
        .await
        .expect(404);
    app.get("/internal/users/by-phone/x", &token)
        .await
        .expect(404);
}

#[tokio::test]
async fn api_keys_are_introspected_until_revoked() {
    let app =
        App::start_with(&[("DEMO__SOAPIFY_API_KEY", "tk_demo_key_of_soapify_0123456789")]).await;
    auth_otp::setup::seed(&app.state, "demo").await.unwrap();
    let token = app.service_token().await;
    let ask = |key: &'static str| {
        app.call(
            Method::POST,
            "/internal/api-keys/introspect",
            &token,
            json!({"key": key}),
        )
    };
    let known = ask("tk_demo_key_of_soapify_0123456789").await.expect(200);
    assert_eq!(
        (&known["active"], &known["name"]),
        (&json!(true), &json!("SOAPify"))
    );
    assert_eq!(known["scopes"], json!(["soapify.read"]));
    assert_eq!(ask("tk_other").await.expect(200)["active"], false);
    let command: Vec<String> = ["api-keys", "revoke", &text(&known, "id")]
        .map(str::to_owned)
        .into();
    auth_otp::setup::command(&app.state, &command)
        .await
        .unwrap();
    assert_eq!(
        ask("tk_demo_key_of_soapify_0123456789").await.expect(200)["active"],
        false
    );
}

#[tokio::test]
async fn the_client_credentials_grant() {
    let app = App::start().await;
    let ask = |form: &'static str| {
        let request = app.request(Method::POST, "/api/auth/oauth/token/");
        send(
            request
                .header("content-type", "application/x-www-form-urlencoded")
                .body(form),
        )
    };
    let answer = ask("client_id=x").await.expect(400);
    assert_eq!(answer["error"], "invalid_request");
    assert_eq!(
        ask("grant_type=password").await.expect(400)["error"],
        "unsupported_grant_type"
    );
    for form in [
        "grant_type=client_credentials&client_id=patient-access&client_secret=wrong",
        "grant_type=client_credentials&client_id=nobody&client_secret=",
        "grant_type=client_credentials",
    ] {
        assert_eq!(
            ask(form).await.expect(401),
            json!({"error": "invalid_client"})
        );
    }
    let request = app
        .request(Method::POST, "/api/auth/oauth/token/")
        .basic_auth(
            "patient-access",
            Some("a secret of the client patient-access"),
        )
        .header("content-type", "application/x-www-form-urlencoded")
        .body("grant_type=client_credentials");
    let answer = send(request).await;
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let body = answer.expect(200);
    assert_eq!(
        (&body["token_type"], &body["expires_in"]),
        (&json!("Bearer"), &json!(600))
    );
    let claims = crate::harness::claims(&text(&body, "access_token"));
    assert_eq!(
        (&claims["sub"], &claims["aud"]),
        (&json!("service:patient-access"), &json!("internal"))
    );
    let _: Value = app
        .get("/internal/revocations", &text(&body, "access_token"))
        .await
        .expect(200);
}
