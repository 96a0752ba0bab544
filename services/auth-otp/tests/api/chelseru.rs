//! django-chelseru's contracts: A01, A02, A05.

use serde_json::json;
use wiremock::matchers::any;
use wiremock::{Mock, ResponseTemplate};

use crate::harness::{App, E164, PHONE, claims, keys, text};
use crate::otp::wrong;

#[tokio::test]
async fn a01_send_and_the_seconds_left() {
    let app = App::start().await;
    let body = app
        .post("/api/otp/send/", json!({"mobile_number": PHONE}))
        .await
        .expect(200);
    assert_eq!(body, json!({"details": "The OTP code was sent correctly."}));
    assert_eq!(app.code(E164).await.len(), 8);
    app.advance(20);
    let body = app
        .post("/api/otp/send/", json!({"mobile_number": PHONE}))
        .await
        .expect(409);
    let details = "An OTP code has already been sent. Please wait 40 seconds before trying again.";
    assert_eq!(body["details"], details);
    app.advance(40);
    app.post("/api/otp/send", json!({"mobile_number": PHONE}))
        .await
        .expect(200);
}

#[tokio::test]
async fn a01_a_bad_number_is_400() {
    let app = App::start().await;
    for body in [
        json!({}),
        json!({"mobile_number": ""}),
        json!({"mobile_number": "123"}),
        json!({"mobile_number": 1}),
    ] {
        let answer = app.post("/api/otp/send/", body).await.expect(400);
        assert!(answer["mobile_number"].is_array(), "{answer}");
    }
}

#[tokio::test]
async fn a01_a_refusal_of_every_provider_is_502() {
    let app = App::start().await;
    app.inbox.reset().await;
    Mock::given(any())
        .respond_with(ResponseTemplate::new(502))
        .mount(&app.inbox)
        .await;
    let body = app
        .post("/api/otp/send/", json!({"mobile_number": PHONE}))
        .await
        .expect(502);
    assert_eq!(body["details"], body["data"]["details"]);
    assert!(body["details"].is_string());
}

#[tokio::test]
async fn a02_authenticate_gives_both_tokens() {
    let app = App::start().await;
    app.post("/api/otp/send/", json!({"mobile_number": PHONE}))
        .await
        .expect(200);
    let code = app.code(E164).await;
    let body = json!({"mobile_number": PHONE, "code": code, "group": 1});
    let pair = app
        .post("/api/authenticate/", body.clone())
        .await
        .expect(200);
    assert_eq!(keys(&pair), ["access", "refresh"]);
    assert_eq!(claims(&text(&pair, "access"))["group"], 1);
    let again = app.post("/api/authenticate/", body).await.expect(401);
    assert_eq!(
        again["error"],
        "The code sent to this mobile number was not found."
    );
}

#[tokio::test]
async fn a02_wrong_unknown_and_expired_codes_answer_alike() {
    let app = App::start().await;
    let literal = "The code sent to this mobile number was not found.";
    let unknown = json!({"mobile_number": "09129999999", "code": "12345678"});
    assert_eq!(
        app.post("/api/authenticate/", unknown).await.expect(401)["error"],
        literal
    );
    app.post("/api/otp/send/", json!({"mobile_number": PHONE}))
        .await
        .expect(200);
    let code = app.code(E164).await;
    let body = json!({"mobile_number": PHONE, "code": wrong(&code)});
    assert_eq!(
        app.post("/api/authenticate/", body).await.expect(401)["error"],
        literal
    );
    app.advance(240);
    let body = json!({"mobile_number": PHONE, "code": code});
    assert_eq!(
        app.post("/api/authenticate/", body).await.expect(401)["error"],
        literal
    );
}

#[tokio::test]
async fn a02_missing_and_invalid_fields_are_400() {
    let app = App::start().await;
    let body = app.post("/api/authenticate/", json!({})).await.expect(400);
    assert!(
        body["mobile_number"].is_array() && body["code"].is_array(),
        "{body}"
    );
    for group in [json!(-1), json!(32_768), json!("x")] {
        let body = json!({"mobile_number": PHONE, "code": "12345678", "group": group});
        assert!(app.post("/api/authenticate/", body).await.expect(400)["group"].is_array());
    }
}

#[tokio::test]
async fn a02_one_user_holds_several_groups() {
    let app = App::start().await;
    let mut users = std::collections::BTreeSet::new();
    for (group, expected) in [(json!(2), 2), (json!("3"), 3), (json!(null), 0)] {
        app.post("/api/otp/send/", json!({"mobile_number": PHONE}))
            .await
            .expect(200);
        let code = app.code(E164).await;
        let body = json!({"mobile_number": PHONE, "code": code, "group": group});
        let access = text(
            &app.post("/api/authenticate/", body).await.expect(200),
            "access",
        );
        assert_eq!(claims(&access)["group"], expected);
        users.insert(text(&claims(&access), "user_id"));
        app.advance(61);
        if expected == 0 {
            let me = app.get("/api/auth/me/", &access).await.expect(200);
            assert_eq!(me["groups"], json!([0, 2, 3]));
        }
    }
    assert_eq!(users.len(), 1);
}

#[tokio::test]
async fn a05_the_two_logins_do_not_share_codes() {
    let app = App::start().await;
    app.post("/api/otp/send/", json!({"mobile_number": PHONE}))
        .await
        .expect(200);
    let long = app.code(E164).await;
    app.post("/api/auth/otp/request/", json!({"phone_number": PHONE}))
        .await
        .expect(200);
    let short = app.code(E164).await;
    assert_eq!((long.len(), short.len()), (8, 6));
    let body = json!({"mobile_number": PHONE, "code": format!("{short}00")});
    app.post("/api/authenticate/", body).await.expect(401);
    app.post(
        "/api/authenticate/",
        json!({"mobile_number": PHONE, "code": long}),
    )
    .await
    .expect(200);
    app.post(
        "/api/auth/otp/verify/",
        json!({"phone_number": PHONE, "code": short}),
    )
    .await
    .expect(200);
}
