//! The PASSWD method (A05, wire.md 4.1), change and reset of passwords.

use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{App, E164, PHONE, keys, text};

const GOOD: &str = "باران آرام روی بام کاهگلی";
const BETTER: &str = "correct horse battery staple";

async fn passwd() -> App {
    App::start_with(&[("PASSWORD__AUTH_METHOD", "PASSWD")]).await
}

fn register_body(username: &str, password: &str) -> Value {
    json!({"username": username, "password": password, "password2": password, "email": "a@b.ir"})
}

#[tokio::test]
async fn a05_the_method_is_off_by_default() {
    let app = App::start().await;
    for path in ["/api/register/", "/api/login/"] {
        let refused = app
            .post(path, register_body("sara", GOOD))
            .await
            .expect(404);
        assert_eq!(refused["code"], "auth.password_method_off");
    }
}

#[tokio::test]
async fn a05_register_and_log_in_in_the_exact_shapes() {
    let app = passwd().await;
    let made = app
        .post("/api/register/", register_body("Sara", GOOD))
        .await;
    assert_eq!(
        made.expect(201),
        json!({"username": "Sara", "email": "a@b.ir"})
    );
    let body = json!({"username": "sara", "password": GOOD});
    let pair = app.post("/api/login/", body).await.expect(200);
    assert_eq!(keys(&pair), ["access", "refresh"]);
    let me = app.get("/api/auth/me/", &text(&pair, "access")).await;
    assert_eq!(me.expect(200)["email"], "a@b.ir");
    for (name, password) in [("sara", "wrong"), ("nobody", GOOD)] {
        let body = json!({"username": name, "password": password});
        let refused = app.post("/api/login/", body).await.expect(401);
        let words = "No active account found with the given credentials";
        assert_eq!(refused["detail"], words);
    }
    let taken = app
        .post("/api/register/", register_body("SARA", GOOD))
        .await;
    assert_eq!(
        taken.expect(400)["username"],
        json!(["A user with that username already exists."])
    );
}

#[tokio::test]
async fn a05_what_register_refuses_and_in_which_words() {
    let app = passwd().await;
    let empty = app.post("/api/register/", json!({})).await.expect(400);
    for field in ["username", "password", "password2"] {
        assert_eq!(empty[field], json!(["This field is required."]));
    }
    let different = json!({"username": "sara", "password": GOOD, "password2": BETTER});
    assert_eq!(
        app.post("/api/register/", different).await.expect(400)["password"],
        json!(["رمز عبور و تکرار آن یکسان نیستند."])
    );
    let phone = register_body("09121234567", GOOD);
    let refused = app.post("/api/register/", phone).await.expect(400);
    assert!(refused["username"].is_array(), "a phone is no username");
    for (language, word) in [
        ("fa", "گذرواژه"),
        ("fr", "mot de passe"),
        ("en", "password"),
    ] {
        let request = app
            .request(Method::POST, "/api/register/")
            .header("accept-language", language)
            .json(&register_body("sara", "password123"));
        let refused = crate::harness::send(request).await.expect(400);
        let said = refused["password"][0].as_str().unwrap().to_lowercase();
        assert!(said.contains(word), "{language}: {said}");
    }
}

#[tokio::test]
async fn a_change_ends_the_other_sessions_and_tells_the_owner() {
    let app = App::start().await;
    let other = app.log_in(PHONE).await;
    let access = app.access(PHONE).await;
    let path = "/api/auth/password/change/";
    // The first password needs no other, only the fresh login.
    let weak = json!({"new_password": "12345678"});
    app.call(Method::POST, path, &access, weak)
        .await
        .expect(400);
    let first = json!({"new_password": GOOD});
    app.call(Method::POST, path, &access, first.clone())
        .await
        .expect(204);
    app.get("/api/auth/me/", &access).await.expect(200);
    app.get("/api/auth/me/", &text(&other, "access"))
        .await
        .expect(401);
    app.call(Method::POST, path, &access, first)
        .await
        .expect(400);
    let wrong = json!({"current_password": "no", "new_password": BETTER});
    let refused = app
        .call(Method::POST, path, &access, wrong)
        .await
        .expect(400);
    assert_eq!(refused["code"], "auth.password_wrong");
    let right = json!({"current_password": GOOD, "new_password": BETTER});
    app.call(Method::POST, path, &access, right)
        .await
        .expect(204);
    let staff = |password: &str| json!({"username": PHONE, "password": password});
    app.post("/api/auth/token/", staff(GOOD)).await.expect(401);
    app.post("/api/auth/token/", staff(BETTER))
        .await
        .expect(200);
    auth_otp::alert::send_due(&app.state, app.state.now())
        .await
        .unwrap();
    let told = app.last_sms(E164).await;
    assert_eq!(told["purpose"], "notification");
    assert!(text(&told, "text").contains("گذرواژه"));
}

#[tokio::test]
async fn a_first_password_needs_a_fresh_proof() {
    let app = App::start().await;
    let access = app.access(PHONE).await;
    app.advance(301);
    let body = json!({"new_password": GOOD});
    let path = "/api/auth/password/change/";
    let refused = app
        .call(Method::POST, path, &access, body)
        .await
        .expect(403);
    assert_eq!(refused["code"], "auth.step_up_required");
}

#[tokio::test]
async fn a_reset_by_code_ends_every_session_and_tells_strangers_nothing() {
    let app = App::start().await;
    let login = app.log_in(PHONE).await;
    let (request, confirm) = (
        "/api/auth/password/reset/request/",
        "/api/auth/password/reset/confirm/",
    );
    let known = app
        .post(request, json!({"phone_number": PHONE}))
        .await
        .expect(200);
    let unknown = app
        .post(request, json!({"phone_number": "09129999999"}))
        .await
        .expect(200);
    assert_eq!(known, unknown);
    let code = app.code(E164).await;
    // A reset code is no login code, and a weak password costs no attempt.
    let login_body = json!({"phone_number": PHONE, "code": code});
    app.post("/api/auth/otp/verify/", login_body)
        .await
        .expect(400);
    for _ in 0..6 {
        let body = json!({"phone_number": PHONE, "code": code, "new_password": "qwertyuiop"});
        let weak = app.post(confirm, body).await.expect(400);
        assert!(weak["new_password"].is_array());
    }
    let body = json!({"phone_number": PHONE, "code": code, "new_password": GOOD});
    app.post(confirm, body.clone()).await.expect(204);
    app.post(confirm, body).await.expect(400);
    app.get("/api/auth/me/", &text(&login, "access"))
        .await
        .expect(401);
    let refresh = json!({"refresh": text(&login, "refresh")});
    app.post("/api/auth/token/refresh/", refresh)
        .await
        .expect(401);
    let body = json!({"username": PHONE, "password": GOOD});
    app.post("/api/auth/token/", body).await.expect(200);
    let stranger = app.code("+989129999999").await;
    let body = json!({"phone_number": "09129999999", "code": stranger, "new_password": GOOD});
    let refused = app.post(confirm, body).await.expect(400);
    assert_eq!(refused["code"], "auth.code_unknown");
}
