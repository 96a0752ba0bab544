//! The OTP tests of Contexor (A19), by their names after `a19_`, over HTTP. `a19_test_hash_code` and `a19_test_verify_hash` stand beside
//! the hash itself, in `src/code/model.rs`.

use serde_json::json;

use crate::harness::{App, E164, PHONE};

#[tokio::test]
async fn a19_test_issue_otp_success() {
    let app = App::start().await;
    let body = app
        .post("/api/auth/otp/request/", json!({"phone_number": PHONE}))
        .await
        .expect(200);
    assert_eq!(
        body,
        json!({"success": true, "message": "OTP sent successfully", "ttl": 300})
    );
    assert_eq!(app.code(E164).await.len(), 6);
    let sms = app.last_sms(E164).await;
    assert_eq!(
        (&sms["mode"], &sms["purpose"]),
        (&json!("synchronous"), &json!("otp"))
    );
}

#[tokio::test]
async fn a19_test_issue_otp_rate_limit() {
    let app = App::start().await;
    app.post("/api/auth/otp/request/", json!({"phone_number": PHONE}))
        .await
        .expect(200);
    app.advance(1);
    let answer = app
        .post("/api/auth/otp/request/", json!({"phone_number": E164}))
        .await;
    assert_eq!(answer.header("retry-after"), Some("59"));
    let body = answer.expect(429);
    assert_eq!(body["success"], false);
    assert_eq!(body["retry_after"], 59);
    assert_eq!(
        body["message"],
        "Please wait 59 seconds before requesting another code"
    );
    app.advance(59);
    app.post("/api/auth/otp/request/", json!({"phone_number": PHONE}))
        .await
        .expect(200);
}

#[tokio::test]
async fn a19_test_issue_otp_invalidates_previous() {
    let app = App::start().await;
    app.post("/api/auth/otp/request/", json!({"phone_number": PHONE}))
        .await
        .expect(200);
    let first = app.code(E164).await;
    app.advance(61);
    app.post("/api/auth/otp/request/", json!({"phone_number": PHONE}))
        .await
        .expect(200);
    let second = app.code(E164).await;
    if first != second {
        let body = app
            .post(
                "/api/auth/otp/verify/",
                json!({"phone_number": PHONE, "code": first}),
            )
            .await
            .expect(400);
        assert_eq!(body["message"], "Invalid code. 4 attempts remaining");
    }
    app.post(
        "/api/auth/otp/verify/",
        json!({"phone_number": PHONE, "code": second}),
    )
    .await
    .expect(200);
}

#[tokio::test]
async fn a19_test_verify_otp_success() {
    let app = App::start().await;
    let first = app.log_in(PHONE).await;
    assert_eq!(first["message"], "Successfully registered");
    assert!(first["access"].is_string() && first["refresh"].is_string());
    assert_eq!(first["user"]["phone_number"], E164);
    assert_eq!(first["user"]["full_name"], json!(null));
    assert_eq!(first["user"]["email"], json!(null));
    let second = app.log_in(PHONE).await;
    assert_eq!(second["message"], "Successfully logged in");
    assert_eq!(second["user"]["id"], first["user"]["id"]);
}

#[tokio::test]
async fn a19_test_verify_otp_invalid_code() {
    let app = App::start().await;
    app.post("/api/auth/otp/request/", json!({"phone_number": PHONE}))
        .await
        .expect(200);
    let wrong = wrong(&app.code(E164).await);
    let body = app
        .post(
            "/api/auth/otp/verify/",
            json!({"phone_number": PHONE, "code": wrong}),
        )
        .await
        .expect(400);
    assert_eq!(body["message"], "Invalid code. 4 attempts remaining");
    assert_eq!(body["success"], false);
    assert!(body.get("access").is_none());
}

#[tokio::test]
async fn a19_test_verify_otp_max_attempts() {
    let app = App::start().await;
    app.post("/api/auth/otp/request/", json!({"phone_number": PHONE}))
        .await
        .expect(200);
    let right = app.code(E164).await;
    let wrong = wrong(&right);
    for left in (0..5).rev() {
        let body = app
            .post(
                "/api/auth/otp/verify/",
                json!({"phone_number": PHONE, "code": wrong}),
            )
            .await
            .expect(400);
        assert_eq!(
            body["message"],
            format!("Invalid code. {left} attempts remaining")
        );
    }
    for message in ["Too many failed attempts", "Invalid or expired OTP code"] {
        let body = app
            .post(
                "/api/auth/otp/verify/",
                json!({"phone_number": PHONE, "code": right}),
            )
            .await
            .expect(400);
        assert_eq!(body["message"], message);
    }
}

#[tokio::test]
async fn a19_test_verify_otp_expired() {
    let app = App::start().await;
    app.post("/api/auth/otp/request/", json!({"phone_number": PHONE}))
        .await
        .expect(200);
    let code = app.code(E164).await;
    app.advance(300);
    let body = app
        .post(
            "/api/auth/otp/verify/",
            json!({"phone_number": PHONE, "code": code}),
        )
        .await
        .expect(400);
    assert_eq!(body["message"], "Invalid or expired OTP code");
}

#[tokio::test]
async fn a19_test_verify_otp_no_code_issued() {
    let app = App::start().await;
    let body = app
        .post(
            "/api/auth/otp/verify/",
            json!({"phone_number": PHONE, "code": "123456"}),
        )
        .await
        .expect(400);
    assert_eq!(body["message"], "Invalid or expired OTP code");
}

/// Another code of the same length.
pub(crate) fn wrong(code: &str) -> String {
    let last = if code.ends_with('0') { "1" } else { "0" };
    format!("{}{last}", &code[..code.len() - 1])
}
