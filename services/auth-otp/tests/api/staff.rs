//! CIMEF's staff login (wire.md 5, 9.2, 9.6).

use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{Answer, App, send, text};

const PASSWORD: &str = "گذرواژه-Staff-1";
const REFUSED: &str = "Aucun compte actif n'a été trouvé avec les identifiants fournis";

async fn seeded() -> App {
    let app = App::start_with(&[("DEMO__STAFF_PASSWORD", PASSWORD)]).await;
    auth_otp::setup::seed(&app.state, "demo").await.unwrap();
    app
}

async fn log_in(app: &App, username: &str, password: &str, agent: &str) -> Answer {
    let request = app
        .request(Method::POST, "/api/auth/token/")
        .header("user-agent", agent);
    send(request.json(&json!({"username": username, "password": password}))).await
}

#[tokio::test]
async fn staff_log_in_by_username_in_any_case_or_phone() {
    let app = seeded().await;
    for name in ["doctor", "DOCTOR", "09120000001", "+989120000001"] {
        let body = log_in(&app, name, PASSWORD, "cimef/1").await.expect(200);
        let user = &body["user"];
        for key in [
            "id",
            "username",
            "email",
            "first_name",
            "last_name",
            "role",
            "department",
            "is_active",
            "is_staff",
            "is_superuser",
        ] {
            assert!(!user[key].is_null(), "{key}");
        }
        assert_eq!(
            (&user["role"], &user["is_staff"]),
            (&json!("doctor"), &json!(true))
        );
        let me = app
            .get("/api/auth/me/", &text(&body, "access"))
            .await
            .expect(200);
        assert_eq!(me["clinic_role"], "doctor");
    }
}

#[tokio::test]
async fn a_wrong_password_and_an_unknown_name_answer_alike() {
    let app = seeded().await;
    for (name, password) in [
        ("doctor", "wrong"),
        ("nobody", PASSWORD),
        ("09120000010", PASSWORD),
        ("", ""),
    ] {
        let answer = log_in(&app, name, password, "cimef/1").await;
        if name.is_empty() {
            let body = answer.expect(400);
            let blank = json!(["Ce champ ne peut être vide."]);
            assert_eq!((&body["username"], &body["password"]), (&blank, &blank));
        } else {
            assert_eq!(answer.expect(401)["detail"], REFUSED);
        }
    }
}

#[tokio::test]
async fn a_stable_session_keeps_its_refresh_token_for_a_day() {
    let app = seeded().await;
    let login = log_in(
        &app,
        "doctor",
        PASSWORD,
        "Mozilla/5.0 (Windows) Firefox/140.0",
    )
    .await
    .expect(200);
    let refresh = text(&login, "refresh");
    let again = |agent: &'static str| {
        let request = app
            .request(Method::POST, "/api/auth/token/refresh/")
            .header("user-agent", agent);
        send(request.json(&json!({"refresh": refresh})))
    };
    for _ in 0..3 {
        let pair = again("Mozilla/5.0 (Windows) Firefox/141.0")
            .await
            .expect(200);
        assert_eq!(text(&pair, "refresh"), refresh);
        app.advance(3600);
    }
    again("curl/8.0").await.expect(401);
    app.advance(24 * 3600);
    again("Mozilla/5.0 (Windows) Firefox/141.0")
        .await
        .expect(401);
}

#[tokio::test]
async fn an_account_rests_after_a_hundred_wrong_passwords() {
    let app = App::start_with(&[
        ("DEMO__STAFF_PASSWORD", PASSWORD),
        ("BUDGETS__FAILURE_CEILING", "3"),
    ])
    .await;
    auth_otp::setup::seed(&app.state, "demo").await.unwrap();
    for _ in 0..3 {
        log_in(&app, "doctor", "wrong", "x").await.expect(401);
    }
    assert_eq!(
        log_in(&app, "doctor", PASSWORD, "x").await.expect(401)["detail"],
        REFUSED
    );
    app.advance(3601);
    log_in(&app, "doctor", PASSWORD, "x").await.expect(200);
    let _: Value = log_in(&app, "monshi", PASSWORD, "x").await.expect(200);
}
