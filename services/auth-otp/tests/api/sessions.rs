//! A03: the list of one's own sessions, and managing them; logout.

use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{App, PHONE, keys, send, text};

#[tokio::test]
async fn a03_only_the_callers_living_sessions_are_listed() {
    let app = App::start().await;
    app.access("09120000999").await;
    let first = app.log_in(PHONE).await;
    let access = app.access(PHONE).await;
    let list = app.get("/api/sessions/", &access).await.expect(200);
    let list = list.as_array().unwrap();
    assert_eq!(list.len(), 2, "a bare list of the caller's own");
    for key in [
        "id",
        "session_key",
        "user_agent",
        "ip_address",
        "device",
        "browser",
        "last_seen",
        "created_at",
        "user",
    ] {
        assert!(keys(&list[0]).contains(&key), "{key}");
    }
    assert!(list[0]["id"].is_number());
    assert_eq!(
        list.iter()
            .filter(|session| session["current"] == true)
            .count(),
        1
    );
    app.call(
        Method::POST,
        "/api/auth/logout/",
        &text(&first, "access"),
        json!({}),
    )
    .await
    .expect(204);
    let list = app.get("/api/sessions/", &access).await.expect(200);
    assert_eq!(list.as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a03_a_session_can_be_ended_by_its_owner_only() {
    let app = App::start().await;
    let mine = app.log_in(PHONE).await;
    let access = app.access(PHONE).await;
    let stranger = app.access("09120000999").await;
    let list = app.get("/api/sessions/", &access).await.expect(200);
    let other = list
        .as_array()
        .unwrap()
        .iter()
        .find(|session| session["current"] == false)
        .unwrap();
    let path = format!("/api/sessions/{}/", other["id"]);
    let refused = app
        .call(Method::DELETE, &path, &stranger, Value::Null)
        .await
        .expect(404);
    assert_eq!(refused["detail"], "No Session matches the given query.");
    app.call(Method::DELETE, &path, &access, Value::Null)
        .await
        .expect(204);
    app.call(Method::DELETE, &path, &access, Value::Null)
        .await
        .expect(404);
    app.get("/api/auth/me/", &text(&mine, "access"))
        .await
        .expect(401);
    app.post(
        "/api/auth/token/refresh/",
        json!({"refresh": text(&mine, "refresh")}),
    )
    .await
    .expect(401);
}

#[tokio::test]
async fn a03_all_other_sessions_can_be_ended_at_once() {
    let app = App::start().await;
    let old: Vec<Value> = vec![
        app.log_in(PHONE).await,
        app.log_in(PHONE).await,
        app.log_in(PHONE).await,
    ];
    let access = app.access(PHONE).await;
    app.call(Method::DELETE, "/api/sessions/", &access, Value::Null)
        .await
        .expect(204);
    for login in &old {
        app.get("/api/auth/me/", &text(login, "access"))
            .await
            .expect(401);
    }
    app.get("/api/auth/me/", &access).await.expect(200);
}

#[tokio::test]
async fn logout_by_refresh_token_needs_no_access_token() {
    let app = App::start().await;
    let login = app.log_in(PHONE).await;
    let refresh = json!({"refresh": text(&login, "refresh")});
    app.post("/api/auth/logout/", refresh.clone())
        .await
        .expect(204);
    app.post("/api/auth/logout/", refresh.clone())
        .await
        .expect(204);
    app.post("/api/auth/token/refresh/", refresh)
        .await
        .expect(401);
    app.get("/api/auth/me/", &text(&login, "access"))
        .await
        .expect(401);
    app.post("/api/auth/logout/", json!({"refresh": "forged"}))
        .await
        .expect(401);
    send(
        app.request(Method::POST, "/api/auth/logout/")
            .json(&json!({})),
    )
    .await
    .expect(401);
}

#[tokio::test]
async fn other_methods_are_405_and_other_paths_404() {
    let app = App::start().await;
    send(app.request(Method::PUT, "/api/sessions/"))
        .await
        .expect(405);
    send(app.request(Method::GET, "/api/auth/otp/request/"))
        .await
        .expect(405);
    send(app.request(Method::GET, "/api/auth/nothing/"))
        .await
        .expect(404);
}
