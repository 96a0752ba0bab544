//! The second factor: bound, asked for by every login contract, used once, limited; and step-up.

use std::sync::Arc;

use auth_otp::second_factor::model::authenticator;
use common_types::clock::Clock;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::harness::{Answer, App, PHONE, claims, text};

/// A bound authenticator.
pub(crate) struct Factor {
    secret: Vec<u8>,
    pub(crate) recovery: Vec<String>,
    /// The token of the session that bound it.
    pub(crate) access: String,
}

impl Factor {
    /// Binds an authenticator to the caller's account; their login is minutes old at most.
    pub(crate) async fn bind(app: &App, access: &str) -> Self {
        let path = "/api/auth/second-factor/enrol/";
        let enrolled = app.call(Method::POST, path, access, json!({})).await;
        let enrolled = enrolled.expect(200);
        let secret = base32(&text(&enrolled, "secret"));
        assert!(text(&enrolled, "otpauth_url").starts_with("otpauth://totp/Tabib:"));
        let body = json!({"code": code_at(&secret, app.clock.now().timestamp())});
        let path = "/api/auth/second-factor/confirm/";
        let confirmed = app.call(Method::POST, path, access, body).await.expect(200);
        let recovery = confirmed["recovery_codes"].as_array().unwrap();
        Self {
            secret,
            recovery: recovery
                .iter()
                .map(|code| code.as_str().unwrap().to_owned())
                .collect(),
            access: text(&confirmed, "access"),
        }
    }

    /// The code that the application shows now.
    pub(crate) fn code(&self, app: &App) -> String {
        code_at(&self.secret, app.clock.now().timestamp())
    }
}

fn code_at(secret: &[u8], seconds: i64) -> String {
    let seconds = u64::try_from(seconds).unwrap();
    authenticator(secret, "Tabib", "-")
        .unwrap()
        .generate(seconds)
        .to_string()
}

fn base32(text: &str) -> Vec<u8> {
    let mut bits = String::new();
    for c in text.chars() {
        let value = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".find(c).unwrap();
        bits.push_str(&format!("{value:05b}"));
    }
    bits.as_bytes()
        .chunks_exact(8)
        .map(|byte| u8::from_str_radix(std::str::from_utf8(byte).unwrap(), 2).unwrap())
        .collect()
}

/// Contexor's login up to the question for the second factor.
pub(crate) async fn ask(app: &App, phone: &str) -> Value {
    app.post("/api/auth/otp/request/", json!({"phone_number": phone}))
        .await
        .expect(200);
    let e164 = common_types::PhoneNumber::parse(phone).unwrap();
    let body = json!({"phone_number": phone, "code": app.code(e164.e164()).await});
    let answer = app.post("/api/auth/otp/verify/", body).await;
    app.advance(61);
    let asked = answer.expect(403);
    assert_eq!(asked["code"], "auth.second_factor_required");
    asked
}

pub(crate) async fn answer(app: &App, challenge: &Value, code: &str) -> Answer {
    let body = json!({"challenge": text(challenge, "challenge"), "code": code});
    app.post("/api/auth/second-factor/verify/", body).await
}

#[tokio::test]
async fn no_login_contract_opens_a_session_without_the_second_factor() {
    let app = App::start_with(&[
        ("DEMO__STAFF_PASSWORD", "a long staff password"),
        ("PASSWORD__AUTH_METHOD", "PASSWD"),
    ])
    .await;
    auth_otp::setup::seed(&app.state, "demo").await.unwrap();
    let phone = "09120000001";
    let factor = Factor::bind(&app, &app.access(phone).await).await;
    app.advance(60);
    // Contexor, bare.
    let asked = ask(&app, phone).await;
    assert_eq!(
        (&asked["success"], &asked["methods"]),
        (&json!(false), &json!(["totp", "recovery_code"]))
    );
    assert!(asked["message"].is_string() && asked.get("access").is_none());
    let opened = answer(&app, &asked, &factor.code(&app)).await.expect(200);
    app.get("/api/auth/me/", &text(&opened, "access"))
        .await
        .expect(200);
    app.advance(60);
    // Contexor's pages: the session is a stable one afterwards too.
    app.post("/api/v1/auth/otp/request", json!({"phone_number": phone}))
        .await
        .expect(200);
    let code = app.code("+989120000001").await;
    let body = json!({"phone_number": phone, "code": code});
    let asked = app.post("/api/v1/auth/otp/verify", body).await.expect(403);
    assert!(asked["error"].is_string() && asked["success"] == false);
    let opened = answer(&app, &asked, &factor.code(&app)).await.expect(200);
    assert_eq!(kind(&app, &opened).await, "stable");
    app.advance(61);
    // django-chelseru, with its group.
    app.post("/api/otp/send/", json!({"mobile_number": phone}))
        .await
        .expect(200);
    let code = app.code("+989120000001").await;
    let body = json!({"mobile_number": phone, "code": code, "group": 7});
    let asked = app.post("/api/authenticate/", body).await.expect(403);
    assert!(asked["error"].is_string());
    let opened = answer(&app, &asked, &factor.code(&app)).await.expect(200);
    assert_eq!(claims(&text(&opened, "access"))["group"], 7);
    app.advance(61);
    // CIMEF's staff, and the password method.
    for (path, expected) in [("/api/auth/token/", "stable"), ("/api/login/", "rotating")] {
        let body = json!({"username": "doctor", "password": "a long staff password"});
        let asked = app.post(path, body).await.expect(403);
        assert!(asked["detail"].is_string(), "{path}");
        let opened = answer(&app, &asked, &factor.code(&app)).await.expect(200);
        assert_eq!(kind(&app, &opened).await, expected, "{path}");
        app.advance(60);
    }
}

async fn kind(app: &App, opened: &Value) -> String {
    let list = app.get("/api/sessions/", &text(opened, "access")).await;
    let list = list.expect(200);
    let sessions = list.as_array().unwrap();
    let current = sessions.iter().find(|session| session["current"] == true);
    assert_eq!(current.unwrap()["second_factor"], true);
    text(current.unwrap(), "kind")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_time_step_opens_one_session() {
    let app = Arc::new(App::start().await);
    let factor = Factor::bind(&app, &app.access(PHONE).await).await;
    // The step that confirmed it does not count again (CVE-2025-6015).
    let asked = ask(&app, PHONE).await;
    app.clock.advance(chrono::TimeDelta::seconds(-61));
    let refused = answer(&app, &asked, &factor.code(&app)).await.expect(400);
    assert_eq!(refused["code"], "auth.second_factor_wrong");
    app.advance(120);
    let mut challenges = vec![asked];
    challenges.push(ask(&app, PHONE).await);
    challenges.push(ask(&app, PHONE).await);
    let code = factor.code(&app);
    let mut tasks = JoinSet::new();
    for challenge in challenges {
        let (app, code) = (app.clone(), code.clone());
        tasks.spawn(async move { answer(&app, &challenge, &code).await.status });
    }
    let opened = tasks
        .join_all()
        .await
        .into_iter()
        .filter(|status| *status == 200)
        .count();
    assert_eq!(opened, 1);
}

#[tokio::test]
async fn guesses_are_limited_and_survive_new_challenges() {
    let app = App::start().await;
    let factor = Factor::bind(&app, &app.access(PHONE).await).await;
    for _ in 0..5 {
        let asked = ask(&app, PHONE).await;
        answer(&app, &asked, "000000").await.expect(400);
    }
    let asked = ask(&app, PHONE).await;
    let resting = answer(&app, &asked, &factor.code(&app)).await;
    assert!(resting.header("retry-after").is_some());
    resting.expect(429);
    app.advance(901);
    let asked = ask(&app, PHONE).await;
    answer(&app, &asked, &factor.code(&app)).await.expect(200);
}

#[tokio::test]
async fn a_recovery_code_counts_once_and_a_challenge_once() {
    let app = App::start().await;
    let factor = Factor::bind(&app, &app.access(PHONE).await).await;
    assert_eq!(factor.recovery.len(), 10);
    let asked = ask(&app, PHONE).await;
    let typed = factor.recovery[0].to_uppercase();
    let opened = answer(&app, &asked, &typed).await.expect(200);
    answer(&app, &asked, &factor.recovery[1]).await.expect(401);
    let again = ask(&app, PHONE).await;
    answer(&app, &again, &factor.recovery[0]).await.expect(400);
    answer(&app, &again, &factor.recovery[1]).await.expect(200);
    let status = app
        .get("/api/auth/second-factor/", &text(&opened, "access"))
        .await
        .expect(200);
    assert_eq!(
        (&status["enabled"], &status["recovery_codes_left"]),
        (&json!(true), &json!(8))
    );
    app.advance(301);
    let late = ask(&app, PHONE).await;
    app.advance(301);
    answer(&app, &late, &factor.recovery[2]).await.expect(401);
}

#[tokio::test]
async fn roles_that_need_a_second_factor_are_in_no_token_without_it() {
    let app = App::start_with(&[("SECOND_FACTOR__REQUIRED", "always")]).await;
    auth_otp::setup::seed(&app.state, "demo").await.unwrap();
    for (phone, role, needed) in [
        ("09120000000", "admin", true),
        ("09120000001", "doctor", true),
        ("09120000002", "secretary", false),
    ] {
        let login = app.log_in(phone).await;
        let access = text(&login, "access");
        let said = claims(&access);
        let status = app.get("/api/auth/second-factor/", &access).await;
        assert_eq!(status.expect(200)["required"], needed, "{role}");
        if !needed {
            assert_eq!(said["clinic_role"], role);
            continue;
        }
        assert_eq!(
            (&said["clinic_role"], &said["superuser"]),
            (&Value::Null, &json!(false)),
            "{role}"
        );
        app.get("/api/admin/auth-otp/audit/", &access)
            .await
            .expect(403);
        let factor = Factor::bind(&app, &access).await;
        assert_eq!(claims(&factor.access)["clinic_role"], role);
        let body = json!({"refresh": text(&login, "refresh")});
        let refreshed = app.post("/api/auth/token/refresh/", body).await.expect(200);
        assert_eq!(claims(&text(&refreshed, "access"))["clinic_role"], role);
    }
}

#[tokio::test]
async fn q_a8_turning_it_off_needs_a_fresh_second_factor() {
    let app = App::start().await;
    let factor = Factor::bind(&app, &app.access(PHONE).await).await;
    let off = "/api/auth/second-factor/disable/";
    app.advance(301);
    let refused = app
        .call(Method::POST, off, &factor.access, json!({}))
        .await
        .expect(403);
    assert_eq!(refused["code"], "auth.step_up_required");
    let path = "/api/auth/step-up/request/";
    let method = app.call(Method::POST, path, &factor.access, json!({}));
    assert_eq!(method.await.expect(200), json!({"method": "totp"}));
    let path = "/api/auth/step-up/verify/";
    let body = json!({"code": "000000"});
    app.call(Method::POST, path, &factor.access, body)
        .await
        .expect(400);
    let body = json!({"code": factor.code(&app)});
    let stepped = app.call(Method::POST, path, &factor.access, body).await;
    let stepped = text(&stepped.expect(200), "access");
    app.call(Method::POST, off, &stepped, json!({}))
        .await
        .expect(204);
    app.call(Method::POST, off, &stepped, json!({}))
        .await
        .expect(409);
    app.log_in(PHONE).await;
}

#[tokio::test]
async fn q_a8_step_up_by_sms_is_bound_to_session_and_purpose() {
    let app = App::start().await;
    let first = app.access(PHONE).await;
    let second = app.access(PHONE).await;
    app.advance(301);
    let enrol = "/api/auth/second-factor/enrol/";
    app.call(Method::POST, enrol, &first, json!({}))
        .await
        .expect(403);
    let request = "/api/auth/step-up/request/";
    let asked = app.call(Method::POST, request, &first, json!({})).await;
    assert_eq!(asked.expect(200)["method"], "sms");
    let code = app.code("+989121234567").await;
    let verify = "/api/auth/step-up/verify/";
    // Neither another session nor a login takes this code.
    let body = json!({"code": code});
    app.call(Method::POST, verify, &second, body.clone())
        .await
        .expect(400);
    let login = json!({"phone_number": PHONE, "code": code});
    app.post("/api/auth/otp/verify/", login).await.expect(400);
    let stepped = app.call(Method::POST, verify, &first, body.clone()).await;
    let stepped = stepped.expect(200);
    assert_eq!(stepped["expires_in"], 300);
    app.call(Method::POST, verify, &first, body)
        .await
        .expect(400);
    app.call(Method::POST, enrol, &text(&stepped, "access"), json!({}))
        .await
        .expect(200);
    // And a login code is no step-up.
    app.advance(61);
    app.post("/api/auth/otp/request/", json!({"phone_number": PHONE}))
        .await
        .expect(200);
    let body = json!({"code": app.code("+989121234567").await});
    app.call(Method::POST, verify, &second, body)
        .await
        .expect(400);
}

#[tokio::test]
async fn secrets_of_the_second_factor_rest_sealed_or_hashed() {
    use diesel_async::RunQueryDsl;
    #[derive(diesel::QueryableByName)]
    struct Row {
        #[diesel(sql_type = diesel::sql_types::Text)]
        shown: String,
    }
    let app = App::start().await;
    let factor = Factor::bind(&app, &app.access(PHONE).await).await;
    let asked = ask(&app, PHONE).await;
    let mut conn = app.db.db.get().await.unwrap();
    let mut all = String::new();
    for table in ["second_factors", "recovery_codes", "login_challenges"] {
        let sql = format!("SELECT row_to_json(t)::text AS shown FROM {table} t");
        let rows: Vec<Row> = diesel::sql_query(sql).load(&mut conn).await.unwrap();
        assert!(!rows.is_empty());
        all.extend(rows.into_iter().map(|row| row.shown));
    }
    assert!(all.contains("\"v1.k1."), "sealed under the platform's key");
    assert!(!all.contains(&hex::encode(&factor.secret)));
    assert!(!all.contains(&text(&asked, "challenge")));
    let plain = factor.recovery[0].replace('-', "");
    assert!(!all.contains(&plain) && !all.contains(&factor.recovery[0]));
}
