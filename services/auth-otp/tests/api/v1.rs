//! The tree of Contexor's own pages (wire.md 6.1, 6.3, 9.1, 9.2): `/api/v1/…` in its envelope.

use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{Answer, App, E164, PHONE, keys, send, text};
use crate::organizations::{ADMIN, WRITER, seeded};

const AGENT: &str = "Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/131.0 Safari/537.36";

/// The pages' own login; `data` of the verify answer.
pub(crate) async fn v1_login(app: &App, phone: &str) -> Value {
    let e164 = common_types::PhoneNumber::parse(phone)
        .unwrap()
        .e164()
        .to_owned();
    let sent = app
        .post("/api/v1/auth/otp/request", json!({"phone_number": phone}))
        .await;
    data(sent, 200);
    let code = app.code(&e164).await;
    let request = app
        .request(Method::POST, "/api/v1/auth/otp/verify")
        .header("user-agent", AGENT);
    let answer = send(request.json(&json!({"phone_number": phone, "code": code}))).await;
    app.advance(61);
    app.settled().await;
    data(answer, 200)
}

/// `data` of a success.
#[track_caller]
fn data(answer: Answer, status: u16) -> Value {
    let body = answer.expect(status);
    assert_eq!(keys(&body), ["data", "success"]);
    assert_eq!(body["success"], true);
    body["data"].clone()
}

/// A refusal in the envelope.
#[track_caller]
fn refused(answer: Answer, status: u16) -> Value {
    assert_eq!(answer.header("content-type"), Some("application/json"));
    let body = answer.expect(status);
    assert_eq!(body["success"], false);
    assert!(!body["error"].as_str().unwrap().is_empty(), "{body}");
    assert!(body["errors"].is_object() && body["code"].is_string());
    assert!(
        chrono::DateTime::parse_from_rfc3339(body["timestamp"].as_str().unwrap()).is_ok(),
        "{body}"
    );
    body
}

#[tokio::test]
async fn a07_v1_login_opens_a_stable_session_in_a_personal_organization() {
    let app = App::start().await;
    let sent = app
        .post("/api/v1/auth/otp/request", json!({"phone_number": E164}))
        .await;
    assert_eq!(data(sent, 200)["ttl"], 300);
    app.advance(61);
    let login = v1_login(&app, E164).await;
    for key in ["access", "refresh", "user"] {
        assert!(login.get(key).is_some(), "{key}");
    }
    assert!(login["user"]["id"].is_number());
    assert_eq!(login["user"]["phone_number"], E164);
    assert_eq!(login["user"]["content_role"], "admin");
    assert_eq!(login["user"]["clinic_role"], Value::Null);
    let access = text(&login, "access");

    let organizations = data(app.get("/api/v1/organizations", &access).await, 200);
    assert_eq!(organizations.as_array().unwrap().len(), 1, "a plain array");
    let first = &organizations[0];
    assert_eq!(first["id"], login["user"]["organization"]);
    let path = format!("/api/v1/organizations/{}/workspaces", first["id"]);
    let workspaces = data(app.get(&path, &access).await, 200);
    assert_eq!(workspaces.as_array().unwrap().len(), 1);
    assert!(workspaces[0]["id"].is_number() && workspaces[0]["name"].is_string());

    // A second login makes no second organisation.
    let again = text(&v1_login(&app, E164).await, "access");
    let organizations = data(app.get("/api/v1/organizations", &again).await, 200);
    assert_eq!(organizations.as_array().unwrap().len(), 1);
    let sessions = app.get("/api/sessions/", &again).await.expect(200);
    assert!(
        sessions
            .as_array()
            .unwrap()
            .iter()
            .all(|session| session["kind"] == "stable")
    );
}

#[tokio::test]
async fn a07_v1_parallel_refreshes_of_one_token_all_succeed() {
    let app = App::start().await;
    let login = v1_login(&app, PHONE).await;
    let refresh = json!({"refresh": text(&login, "refresh")});
    let calls = (0..10).map(|_| {
        let request = app
            .request(Method::POST, "/api/v1/auth/token/refresh")
            .header("user-agent", AGENT);
        send(request.json(&refresh))
    });
    for answer in futures_util::future::join_all(calls).await {
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        let pair = data(answer, 200);
        assert_eq!(pair["refresh"], login["refresh"]);
        app.get("/api/v1/users/me", &text(&pair, "access"))
            .await
            .expect(200);
    }
    // The same token from another browser is worth nothing; after a day it is over.
    let foreign = app
        .request(Method::POST, "/api/v1/auth/token/refresh")
        .header("user-agent", "curl/8.0");
    let body = refused(send(foreign.json(&refresh)).await, 401);
    assert_eq!(body["code"], "INVALID_TOKEN");
    app.advance(24 * 3600);
    let late = app
        .request(Method::POST, "/api/v1/auth/token/refresh")
        .header("user-agent", AGENT);
    refused(send(late.json(&refresh)).await, 401);
}

#[tokio::test]
async fn a07_v1_logout_ends_the_session() {
    let app = App::start().await;
    let login = v1_login(&app, PHONE).await;
    let body = json!({"refresh": text(&login, "refresh")});
    let answer = app.post("/api/v1/auth/logout", body.clone()).await;
    assert_eq!(data(answer, 200), Value::Null);
    refused(
        app.get("/api/v1/users/me", &text(&login, "access")).await,
        401,
    );
    refused(app.post("/api/v1/auth/token/refresh", body).await, 401);
    refused(
        app.post("/api/v1/auth/logout", json!({"refresh": "forged"}))
            .await,
        401,
    );
}

#[tokio::test]
async fn a07_v1_refusals_stand_in_the_envelope_in_persian_by_default() {
    let app = App::start().await;
    let body = refused(app.post("/api/v1/auth/otp/request", json!({})).await, 400);
    assert_eq!(body["error"], "این فیلد الزامی است. (phone_number)");
    assert_eq!(
        body["errors"]["phone_number"],
        json!(["این فیلد الزامی است."])
    );
    let english = app
        .request(Method::POST, "/api/v1/auth/otp/request")
        .header("accept-language", "en");
    let body = refused(
        send(english.json(&json!({"phone_number": "12"}))).await,
        400,
    );
    assert_eq!(body["error"], "Invalid phone number (phone_number)");
    app.post("/api/v1/auth/otp/request", json!({"phone_number": PHONE}))
        .await
        .expect(200);
    let soon = app
        .post("/api/v1/auth/otp/request", json!({"phone_number": PHONE}))
        .await;
    assert!(soon.header("retry-after").is_some());
    assert!(
        refused(soon, 429)["error"]
            .as_str()
            .unwrap()
            .contains("ثانیه")
    );
    let right = app.code(E164).await;
    let wrong = if right == "000000" {
        "000001"
    } else {
        "000000"
    };
    let body = json!({"phone_number": PHONE, "code": wrong});
    let answer = refused(app.post("/api/v1/auth/otp/verify", body).await, 400);
    assert_eq!(answer["error"], "کد نادرست است. 4 تلاش دیگر دارید.");
    let missing = refused(
        send(app.request(Method::GET, "/api/v1/users/me")).await,
        401,
    );
    assert_eq!(
        (&missing["code"], &missing["error"]),
        (
            &json!("INVALID_TOKEN"),
            &json!("برای این کار باید وارد شوید.")
        )
    );
    refused(app.get("/api/v1/users/me", "forged").await, 401);
    refused(
        send(app.request(Method::GET, "/api/v1/auth/nothing")).await,
        404,
    );
    let put = send(app.request(Method::PUT, "/api/v1/users/me")).await;
    assert!(put.header("allow").is_some());
    refused(put, 405);
    let form = app
        .request(Method::POST, "/api/v1/auth/otp/request")
        .header("content-type", "application/x-www-form-urlencoded");
    refused(send(form.body("phone_number=1")).await, 415);
}

#[tokio::test]
async fn a13_v1_me_is_shown_and_changed() {
    let app = App::start().await;
    let access = text(&v1_login(&app, PHONE).await, "access");
    let me = data(app.get("/api/v1/users/me", &access).await, 200);
    for key in [
        "id",
        "phone_number",
        "full_name",
        "email",
        "is_active",
        "date_joined",
        "last_login",
    ] {
        assert!(me.get(key).is_some(), "{key}");
    }
    let body = json!({"full_name": "مریم رضایی", "email": "m@example.org", "language": "fr"});
    let me = data(
        app.call(Method::PATCH, "/api/v1/users/me", &access, body)
            .await,
        200,
    );
    assert_eq!(
        (&me["first_name"], &me["last_name"], &me["language"]),
        (&json!("مریم"), &json!("رضایی"), &json!("fr"))
    );
    let bad = app
        .call(
            Method::PATCH,
            "/api/v1/users/me",
            &access,
            json!({"email": "no"}),
        )
        .await;
    assert!(refused(bad, 400)["errors"]["email"].is_array());
}

#[tokio::test]
async fn a15_v1_organizations_workspaces_and_members() {
    let app = seeded().await;
    let access = text(&v1_login(&app, PHONE).await, "access");
    // A Persian name yields no slug in the pages.
    let body = json!({"name": "کلینیک نو", "slug": ""});
    let made = data(
        app.call(Method::POST, "/api/v1/organizations", &access, body)
            .await,
        201,
    );
    let base = format!("/api/v1/organizations/{}", made["id"]);
    let renamed = app
        .call(Method::PATCH, &base, &access, json!({"name": "نام"}))
        .await;
    assert_eq!(data(renamed, 200)["name"], "نام");
    let list = data(app.get("/api/v1/organizations", &access).await, 200);
    assert_eq!(
        list[0]["id"], made["id"],
        "a personal organisation comes last"
    );

    let workspaces = format!("{base}/workspaces");
    let body = json!({"name": "بلاگ"});
    let workspace = data(
        app.call(Method::POST, &workspaces, &access, body).await,
        201,
    );
    assert_eq!(workspace["organization"], made["id"]);
    let one = format!("{workspaces}/{}", workspace["id"]);
    data(app.get(&one, &access).await, 200);
    let body = json!({"description": "d"});
    assert_eq!(
        data(app.call(Method::PATCH, &one, &access, body).await, 200)["description"],
        "d"
    );
    // Under another organisation of the caller it does not exist.
    let personal = &list[1]["id"];
    let crossed = format!(
        "/api/v1/organizations/{personal}/workspaces/{}",
        workspace["id"]
    );
    refused(app.get(&crossed, &access).await, 404);
    app.call(Method::DELETE, &one, &access, Value::Null)
        .await
        .expect(204);

    let members = format!("{base}/members");
    let list = data(app.get(&members, &access).await, 200);
    let me = &list[0];
    assert_eq!(me["role"], "admin");
    // Whoever is no clinic admin invites; adding by phone would show the name behind a number.
    let body = json!({"phone_number": WRITER, "role": "writer"});
    let answer = refused(app.call(Method::POST, &members, &access, body).await, 400);
    assert!(answer["errors"]["phone_number"].is_array());
    let own = format!("{members}/{}", me["id"]);
    refused(
        app.call(Method::PATCH, &own, &access, json!({"role": "viewer"}))
            .await,
        409,
    );

    // Strangers see nothing of it, not even that it is there.
    let stranger = text(&v1_login(&app, "09350000009").await, "access");
    for path in [&base, &workspaces, &members] {
        let foreign = refused(app.get(path, &stranger).await, 404);
        let absent = path.replace(&made["id"].to_string(), "999999");
        let missing = refused(app.get(&absent, &stranger).await, 404);
        assert_eq!(foreign["error"], missing["error"]);
    }
    refused(
        app.call(Method::DELETE, &base, &stranger, Value::Null)
            .await,
        404,
    );
    app.call(Method::DELETE, &base, &access, Value::Null)
        .await
        .expect(204);
}

#[tokio::test]
async fn a15_v1_staff_of_a_clinic_keep_working_there() {
    let app = seeded().await;
    let login = v1_login(&app, ADMIN).await;
    assert_eq!(login["user"]["clinic_role"], "admin");
    let list = data(
        app.get("/api/v1/organizations", &text(&login, "access"))
            .await,
        200,
    );
    assert_eq!(list.as_array().unwrap().len(), 1, "no personal one is made");
    let path = format!("/api/v1/organizations/{}/members", list[0]["id"]);
    let body =
        json!({"phone_number": "09350000002", "clinic_role": "doctor", "license_number": "12345"});
    let made = data(
        app.call(Method::POST, &path, &text(&login, "access"), body)
            .await,
        201,
    );
    assert_eq!(made["license_number"], "12345");
    assert!(made["doctor_approved_at"].is_string());
    let path = format!("{path}/{}", made["id"]);
    app.call(Method::DELETE, &path, &text(&login, "access"), Value::Null)
        .await
        .expect(204);
}
