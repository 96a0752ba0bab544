//! Contexor's contracts: A07, A09 and wire.md 6.2.

use reqwest::Method;
use serde_json::{Value, json};
use wiremock::matchers::any;
use wiremock::{Mock, ResponseTemplate};

use crate::harness::{App, E164, PHONE, claims, keys, send, text};
use crate::otp::wrong;

#[tokio::test]
async fn a07_both_paths_and_every_spelling_reach_the_login() {
    let app = App::start().await;
    for (index, spelling) in [
        PHONE,
        "9121234567",
        "+989121234567",
        "00989121234567",
        "۰۹۱۲۱۲۳۴۵۶۷",
        "٠٩١٢ ١٢٣ ٤٥٦٧",
        "0912-123-4567",
    ]
    .into_iter()
    .enumerate()
    {
        let path = if index % 2 == 0 {
            "/api/auth/otp/request"
        } else {
            "/api/auth/otp/request/"
        };
        app.post(path, json!({"phone_number": spelling}))
            .await
            .expect(200);
        let persian: String = app
            .code(E164)
            .await
            .chars()
            .map(|c| char::from_u32(0x06F0 + c.to_digit(10).unwrap()).unwrap())
            .collect();
        let path = path.replace("request", "verify");
        let body = app
            .post(&path, json!({"phone_number": spelling, "code": persian}))
            .await
            .expect(200);
        assert_eq!(
            keys(&body),
            ["access", "message", "refresh", "success", "user"]
        );
        assert_eq!(
            keys(&body["user"]),
            ["email", "full_name", "id", "phone_number"]
        );
        app.advance(61);
    }
}

#[tokio::test]
async fn a07_field_errors() {
    let app = App::start().await;
    for (body, field, message) in [
        (json!({}), "phone_number", "This field is required."),
        (
            json!({"phone_number": ""}),
            "phone_number",
            "This field may not be blank.",
        ),
        (
            json!({"phone_number": "123"}),
            "phone_number",
            "Invalid phone number",
        ),
        (
            json!({"phone_number": "not-a-phone"}),
            "phone_number",
            "Invalid phone number format",
        ),
    ] {
        let request = app
            .request(Method::POST, "/api/auth/otp/request/")
            .header("accept-language", "en");
        let answer = send(request.json(&body)).await.expect(400);
        assert_eq!(answer[field], json!([message]), "{body}");
    }
    for (code, message) in [
        (
            json!("12345"),
            "Ensure this field has at least 6 characters.",
        ),
        (
            json!("1234567"),
            "Ensure this field has no more than 6 characters.",
        ),
        (json!("12345a"), "OTP code must contain only digits"),
    ] {
        let body = json!({"phone_number": PHONE, "code": code});
        let answer = app.post("/api/auth/otp/verify/", body).await.expect(400);
        assert_eq!(answer["code"], json!([message]), "{code}");
    }
    let form = app
        .request(Method::POST, "/api/auth/otp/request/")
        .body("phone_number=1");
    let form = form.header("content-type", "application/x-www-form-urlencoded");
    send(form).await.expect(415);
}

#[tokio::test]
async fn a07_a_refused_sms_voids_the_code_and_charges_nothing() {
    let app = App::start().await;
    app.inbox.reset().await;
    Mock::given(any())
        .respond_with(ResponseTemplate::new(502).set_body_json(json!({"state": "refused"})))
        .mount(&app.inbox)
        .await;
    let body = app
        .post("/api/auth/otp/request/", json!({"phone_number": PHONE}))
        .await
        .expect(400);
    assert_eq!(body["message"], "Failed to send SMS");
    assert_eq!(body["retry_after"], Value::Null);
    let void = app.code(E164).await;
    let answer = app
        .post(
            "/api/auth/otp/verify/",
            json!({"phone_number": PHONE, "code": void}),
        )
        .await
        .expect(400);
    assert_eq!(answer["message"], "Invalid or expired OTP code");
    app.inbox.reset().await;
    crate::harness::accept_messages(&app.inbox).await;
    app.post("/api/auth/otp/request/", json!({"phone_number": PHONE}))
        .await
        .expect(200);
}

#[tokio::test]
async fn a07_an_unknown_outcome_leaves_the_code_valid() {
    let app = App::start_with(&[("CODES__SEND_TIMEOUT_MS", "200")]).await;
    app.inbox.reset().await;
    Mock::given(any())
        .respond_with(ResponseTemplate::new(200).set_delay(std::time::Duration::from_secs(20)))
        .mount(&app.inbox)
        .await;
    app.post("/api/auth/otp/request/", json!({"phone_number": PHONE}))
        .await
        .expect(200);
    let code = app.code(E164).await;
    app.post("/api/auth/otp/request/", json!({"phone_number": PHONE}))
        .await
        .expect(429);
    app.post(
        "/api/auth/otp/verify/",
        json!({"phone_number": PHONE, "code": code}),
    )
    .await
    .expect(200);
}

#[tokio::test]
async fn a07_me_is_the_union_of_both_systems() {
    let app = App::start().await;
    let access = app.access(PHONE).await;
    let me = app.get("/api/auth/me/", &access).await.expect(200);
    for key in [
        "id",
        "phone_number",
        "full_name",
        "email",
        "is_active",
        "date_joined",
        "last_login",
        "username",
        "first_name",
        "last_name",
        "role",
        "department",
        "is_staff",
        "is_superuser",
        "is_admin",
        "permissions",
    ] {
        assert!(me.get(key).is_some(), "{key}");
    }
    assert_eq!(me["phone_number"], E164);
    assert_eq!(
        (&me["full_name"], &me["is_staff"]),
        (&json!(""), &json!(false))
    );
    assert_eq!(
        me["id"].to_string(),
        claims(&access)["user_id"].as_str().unwrap()
    );
    let patched = app
        .call(
            Method::PATCH,
            "/api/auth/me/",
            &access,
            json!({"full_name": "مریم سادات رضایی", "language": "fr"}),
        )
        .await
        .expect(200);
    assert_eq!(patched["first_name"], "مریم");
    assert_eq!(patched["last_name"], "سادات رضایی");
    assert_eq!(patched["language"], "fr");
    let bad = app
        .call(
            Method::PATCH,
            "/api/auth/me/",
            &access,
            json!({"email": "nobody"}),
        )
        .await
        .expect(400);
    assert!(bad["email"].is_array());
    // A phone never changes without proof.
    let same = app
        .call(
            Method::PATCH,
            "/api/auth/me/",
            &access,
            json!({"phone_number": "09120000000"}),
        )
        .await;
    assert_eq!(same.expect(200)["phone_number"], E164);
    let anonymous = send(app.request(Method::GET, "/api/auth/me/")).await;
    assert_eq!(
        anonymous.header("www-authenticate"),
        Some("Bearer realm=\"api\"")
    );
    assert_eq!(
        anonymous.expect(401)["detail"],
        "Authentication credentials were not provided."
    );
}

#[tokio::test]
async fn a09_lifetimes_and_rotation() {
    let app = App::start().await;
    let login = app.log_in(PHONE).await;
    let access = claims(&text(&login, "access"));
    assert_eq!(
        access["exp"].as_i64().unwrap() - access["iat"].as_i64().unwrap(),
        900
    );
    assert_eq!(access["token_type"], "access");
    assert!(access["user_id"].is_string());
    let mut refresh = text(&login, "refresh");
    for _ in 0..3 {
        let pair = app
            .post("/api/auth/token/refresh/", json!({"refresh": refresh}))
            .await
            .expect(200);
        assert_eq!(keys(&pair), ["access", "refresh"]);
        assert_ne!(text(&pair, "refresh"), refresh);
        refresh = text(&pair, "refresh");
        app.advance(3600);
    }
    app.advance(7 * 86_400);
    let body = app
        .post("/api/auth/token/refresh/", json!({"refresh": refresh}))
        .await
        .expect(401);
    assert_eq!(
        (&body["detail"], &body["code"]),
        (&json!("Token is invalid"), &json!("token_not_valid"))
    );
}

#[tokio::test]
async fn a07_refresh_refuses_what_is_no_refresh_token() {
    let app = App::start().await;
    let login = app.log_in(PHONE).await;
    for junk in [
        "x",
        &text(&login, "access"),
        &wrong(&text(&login, "refresh")),
    ] {
        app.post("/api/auth/token/refresh/", json!({"refresh": junk}))
            .await
            .expect(401);
    }
    let body = app
        .post("/api/auth/token/refresh/", json!({}))
        .await
        .expect(400);
    assert_eq!(body["refresh"], json!(["This field is required."]));
    // A stale Authorization header does not matter here.
    let request = app
        .request(Method::POST, "/api/auth/token/refresh/")
        .bearer_auth("stale");
    send(request.json(&json!({"refresh": text(&login, "refresh")})))
        .await
        .expect(200);
}

#[tokio::test]
async fn a07_a_closed_account_gets_in_nowhere() {
    let app = App::start().await;
    let login = app.log_in(PHONE).await;
    let mut conn = app.db.db.get().await.unwrap();
    diesel_async::RunQueryDsl::execute(
        diesel::sql_query("UPDATE users SET is_active = false"),
        &mut conn,
    )
    .await
    .unwrap();
    app.post(
        "/api/auth/token/refresh/",
        json!({"refresh": text(&login, "refresh")}),
    )
    .await
    .expect(401);
    app.post("/api/auth/otp/request/", json!({"phone_number": PHONE}))
        .await
        .expect(200);
    let code = app.code(E164).await;
    let body = app
        .post(
            "/api/auth/otp/verify/",
            json!({"phone_number": PHONE, "code": code}),
        )
        .await
        .expect(400);
    assert_eq!(body["message"], "This account is disabled.");
}
