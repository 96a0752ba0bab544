//! Partners' keys over HTTP: made, scoped, replaced, revoked, watched.

use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{Answer, App, text};

const PATH: &str = "/api/auth/api-keys/";

async fn clinic() -> App {
    let app = App::start().await;
    auth_otp::setup::seed(&app.state, "demo").await.unwrap();
    app
}

/// The sample's admin, without the platform-wide power.
async fn admin(app: &App) -> String {
    use diesel_async::RunQueryDsl;
    let mut conn = app.db.db.get().await.unwrap();
    diesel::sql_query("UPDATE users SET is_superuser = false")
        .execute(&mut conn)
        .await
        .unwrap();
    app.access("09120000000").await
}

async fn introspect(app: &App, key: &str) -> Value {
    let token = app.service_token().await;
    let path = "/internal/api-keys/introspect";
    let body = json!({"key": key});
    app.call(Method::POST, path, &token, body).await.expect(200)
}

async fn make(app: &App, access: &str, scopes: &[&str]) -> Answer {
    let body = json!({"name": "Lab", "scopes": scopes});
    app.call(Method::POST, PATH, access, body).await
}

#[tokio::test]
async fn a_key_is_shown_once_scoped_watched_and_revoked() {
    let app = clinic().await;
    let access = admin(&app).await;
    let made = make(&app, &access, &["sms.send"]).await.expect(201);
    let key = text(&made, "key");
    let one = format!("{PATH}{}/", text(&made, "id"));
    let shown = app.get(&one, &access).await.expect(200);
    assert!(shown.get("key").is_none() && shown["last_used_at"].is_null());
    let info = introspect(&app, &key).await;
    assert_eq!(
        (&info["active"], &info["scopes"], &info["organization_id"]),
        (
            &json!(true),
            &json!(["sms.send"]),
            &json!(auth_otp::setup::DEMO_ORGANIZATION)
        )
    );
    let used = app.get(&one, &access).await.expect(200);
    assert!(used["last_used_at"].is_string());
    let body = json!({"name": "Laboratory", "scopes": ["ai.use"]});
    let changed = app.call(Method::PATCH, &one, &access, body).await;
    assert_eq!(changed.expect(200)["name"], "Laboratory");
    assert_eq!(introspect(&app, &key).await["scopes"], json!(["ai.use"]));
    let list = app
        .get(
            &format!("{PATH}?search=labor&state=active&ordering=name"),
            &access,
        )
        .await
        .expect(200);
    assert_eq!(
        (&list["count"], &list["results"][0]["id"]),
        (&json!(1), &made["id"])
    );
    app.call(Method::DELETE, &one, &access, Value::Null)
        .await
        .expect(204);
    app.call(Method::DELETE, &one, &access, Value::Null)
        .await
        .expect(404);
    assert_eq!(introspect(&app, &key).await["active"], false);
    let revoked = app.get(&format!("{PATH}?state=revoked"), &access).await;
    assert_eq!(revoked.expect(200)["count"], 1);
}

#[tokio::test]
async fn a_rotation_lets_both_keys_count_for_a_while() {
    let app = clinic().await;
    let access = admin(&app).await;
    let made = make(&app, &access, &["sms.send"]).await.expect(201);
    let rotate = format!("{PATH}{}/rotate/", text(&made, "id"));
    let long = json!({"overlap_seconds": 999_999_999});
    app.call(Method::POST, &rotate, &access, long)
        .await
        .expect(400);
    let body = json!({"overlap_seconds": 600});
    let next = app.call(Method::POST, &rotate, &access, body.clone()).await;
    let next = next.expect(201);
    app.call(Method::POST, &rotate, &access, body)
        .await
        .expect(404);
    let (old, new) = (text(&made, "key"), text(&next, "key"));
    for key in [&old, &new] {
        assert_eq!(introspect(&app, key).await["active"], true);
    }
    app.advance(601);
    assert_eq!(introspect(&app, &old).await["active"], false);
    assert_eq!(introspect(&app, &new).await["scopes"], json!(["sms.send"]));
}

#[tokio::test]
async fn an_expired_key_is_no_key() {
    let app = clinic().await;
    let access = admin(&app).await;
    let end = app.state.now() + chrono::TimeDelta::hours(1);
    let body = json!({"name": "Lab", "scopes": ["sms.send"], "expires_at": end});
    let made = app
        .call(Method::POST, PATH, &access, body)
        .await
        .expect(201);
    assert_eq!(introspect(&app, &text(&made, "key")).await["active"], true);
    app.advance(3601);
    assert_eq!(introspect(&app, &text(&made, "key")).await["active"], false);
    let body = json!({"name": "Lab", "scopes": ["sms.send"], "expires_at": end});
    let access = app.access("09120000000").await;
    app.call(Method::POST, PATH, &access, body)
        .await
        .expect(400);
}

#[tokio::test]
async fn who_may_make_which_key() {
    let app = clinic().await;
    let superuser = app.access("09120000000").await;
    let platform = make(&app, &superuser, &["soapify.read"]).await.expect(201);
    let other = format!("{PATH}{}/", text(&platform, "id"));
    let access = admin(&app).await;
    for scopes in [vec!["soapify.read"], vec!["everything"], vec![]] {
        let refused = make(&app, &access, &scopes).await.expect(400);
        assert!(refused["scopes"].is_array());
    }
    // The platform's key is not the clinic's to see, change, replace or revoke.
    app.get(&other, &access).await.expect(404);
    for (method, path) in [
        (Method::PATCH, other.clone()),
        (Method::DELETE, other.clone()),
        (Method::POST, format!("{other}rotate/")),
    ] {
        app.call(method, &path, &access, json!({}))
            .await
            .expect(404);
    }
    for phone in ["09120000001", "09120000002", "09120000010"] {
        let access = app.access(phone).await;
        app.get(PATH, &access).await.expect(403);
        make(&app, &access, &["sms.send"]).await.expect(403);
    }
    app.advance(301);
    let refused = make(&app, &access, &["sms.send"]).await.expect(403);
    assert_eq!(refused["code"], "auth.step_up_required");
}

#[tokio::test]
async fn the_sample_partners_key_opens_what_chat_asks_for() {
    let app = App::start_with(&[("DEMO__SOAPIFY_API_KEY", "tk_sample_key_of_soapify")]).await;
    auth_otp::setup::seed(&app.state, "demo").await.unwrap();
    let info = introspect(&app, "tk_sample_key_of_soapify").await;
    assert_eq!(info["scopes"], json!(["soapify.read"]));
}
