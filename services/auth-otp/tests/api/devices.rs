//! Sessions of the web application in a cookie, devices, alerts, and one's own events.

use std::time::Duration;

use auth_otp::AuthOtp;
use reqwest::Method;
use serde_json::{Value, json};
use service_testing::eventually;
use tokio_util::sync::CancellationToken;

use crate::harness::{Answer, App, E164, PHONE, send, text};

const FIREFOX: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:132.0) Gecko/20100101 Firefox/132.0";
const IPHONE: &str = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Mobile/15E148 Safari/604.1";
const OURS: &str = "https://clinic.example";

async fn web() -> App {
    App::start_with(&[("SERVER__PUBLIC_URL", OURS)]).await
}

/// A login from a browser; `origin` and body beside the code.
async fn enter(app: &App, agent: &str, origin: Option<&str>, session: Option<&str>) -> Answer {
    app.post("/api/auth/otp/request/", json!({"phone_number": PHONE}))
        .await
        .expect(200);
    let mut body = json!({"phone_number": PHONE, "code": app.code(E164).await});
    if let Some(session) = session {
        body["session"] = json!(session);
    }
    let mut request = app
        .request(Method::POST, "/api/auth/otp/verify/")
        .header("user-agent", agent);
    if let Some(origin) = origin {
        request = request.header("origin", origin);
    }
    let answer = send(request.json(&body)).await;
    app.advance(61);
    answer
}

async fn with_cookie(app: &App, path: &str, cookie: &str, origin: Option<&str>) -> Answer {
    let mut request = app
        .request(Method::POST, path)
        .header("cookie", format!("__Host-tabib_refresh={cookie}"));
    if let Some(origin) = origin {
        request = request.header("origin", origin);
    }
    send(request.json(&json!({}))).await
}

fn cookie_of(answer: &Answer) -> String {
    let cookie = answer.header("set-cookie").expect("a cookie");
    for part in [
        "HttpOnly",
        "SameSite=Strict",
        "Secure",
        "Path=/",
        "Max-Age=",
    ] {
        assert!(cookie.contains(part), "{part} in {cookie}");
    }
    assert!(!cookie.contains("Domain"), "{cookie}");
    let value = cookie.strip_prefix("__Host-tabib_refresh=").unwrap();
    value.split(';').next().unwrap().to_owned()
}

#[tokio::test]
async fn the_web_application_keeps_its_refresh_token_in_a_host_cookie() {
    let app = web().await;
    let opened = enter(&app, FIREFOX, Some(OURS), Some("cookie")).await;
    let first = cookie_of(&opened);
    let body = opened.expect(200);
    assert!(body.get("refresh").is_none() && body["access"].is_string());
    let path = "/api/auth/token/refresh/";
    // Another site's page, no page at all, or the token in the body: none of them refreshes.
    for origin in [Some("https://evil.example"), Some("null"), None] {
        with_cookie(&app, path, &first, origin).await.expect(403);
    }
    app.post(path, json!({"refresh": first})).await.expect(401);
    let next = with_cookie(&app, path, &first, Some(OURS)).await;
    let second = cookie_of(&next);
    assert_ne!(first, second);
    let next = next.expect(200);
    assert!(next.get("refresh").is_none());
    app.get("/api/auth/me/", &text(&next, "access"))
        .await
        .expect(200);
    let out = "/api/auth/logout/";
    with_cookie(&app, out, &second, Some("https://evil.example"))
        .await
        .expect(403);
    let gone = with_cookie(&app, out, &second, Some(OURS)).await;
    assert!(gone.header("set-cookie").unwrap().contains("Max-Age=0"));
    gone.expect(204);
    with_cookie(&app, path, &second, Some(OURS))
        .await
        .expect(401);
    app.get("/api/auth/me/", &text(&next, "access"))
        .await
        .expect(401);
}

#[tokio::test]
async fn nobody_is_logged_in_by_another_sites_page() {
    let app = web().await;
    for origin in [Some("https://evil.example"), None] {
        enter(&app, FIREFOX, origin, Some("cookie"))
            .await
            .expect(403);
    }
    // A token of the body does not count in the cookie.
    let plain = enter(&app, FIREFOX, None, None).await.expect(200);
    let refresh = text(&plain, "refresh");
    let path = "/api/auth/token/refresh/";
    with_cookie(&app, path, &refresh, Some(OURS))
        .await
        .expect(401);
    app.post(path, json!({"refresh": refresh}))
        .await
        .expect(200);
}

async fn told(app: &App) -> Vec<Value> {
    let requests = app.inbox.received_requests().await.unwrap();
    requests
        .iter()
        .map(|request| request.body_json::<Value>().unwrap())
        .filter(|body| body["purpose"] == "notification")
        .collect()
}

#[tokio::test]
async fn a_new_device_is_told_to_the_owner_once() {
    let app = App::start().await;
    enter(&app, FIREFOX, None, None).await.expect(200);
    enter(&app, FIREFOX, None, None).await.expect(200);
    let cancel = CancellationToken::new();
    let worker = service_http::cli::worker::<AuthOtp>(&app.state.stack, &app.state);
    let running = tokio::spawn(worker.run(cancel.clone()));
    for _ in 0..3 {
        enter(&app, IPHONE, None, None).await.expect(200);
    }
    eventually(Duration::from_secs(60), async || {
        !told(&app).await.is_empty()
    })
    .await;
    cancel.cancel();
    running.await.unwrap();
    auth_otp::alert::send_due(&app.state, app.state.now())
        .await
        .unwrap();
    // A worker that was stopped while it handed one over hands it over again, under the same key.
    let mut told = told(&app).await;
    told.dedup_by_key(|body| text(body, "idempotency_key"));
    assert_eq!(
        told.len(),
        1,
        "the first device is no news, the second is told once"
    );
    assert_eq!(
        (&told[0]["to"], &told[0]["mode"]),
        (&json!(E164), &json!("queued"))
    );
    assert!(text(&told[0], "text").contains("Safari · iPhone"));
    assert!(text(&told[0], "idempotency_key").starts_with("alert:"));
}

#[tokio::test]
async fn a_login_waits_for_no_alert_and_no_alert_is_lost() {
    let app = App::start().await;
    enter(&app, FIREFOX, None, None).await.expect(200);
    app.post("/api/auth/otp/request/", json!({"phone_number": PHONE}))
        .await
        .expect(200);
    let code = app.code(E164).await;
    app.inbox.reset().await;
    // The SMS service is away: the login does not notice, the alert waits.
    let request = app
        .request(Method::POST, "/api/auth/otp/verify/")
        .header("user-agent", IPHONE)
        .json(&json!({"phone_number": PHONE, "code": code}));
    send(request).await.expect(200);
    auth_otp::alert::send_due(&app.state, app.state.now())
        .await
        .unwrap();
    crate::harness::accept_messages(&app.inbox).await;
    app.inbox.reset().await;
    crate::harness::accept_messages(&app.inbox).await;
    app.advance(20);
    auth_otp::alert::send_due(&app.state, app.state.now())
        .await
        .unwrap();
    assert_eq!(told(&app).await.len(), 1);
}

#[tokio::test]
async fn the_session_list_says_which_device_it_is() {
    let app = App::start().await;
    enter(&app, FIREFOX, None, None).await.expect(200);
    let last = enter(&app, IPHONE, None, None).await.expect(200);
    let list = app.get("/api/sessions/", &text(&last, "access")).await;
    let list = list.expect(200);
    let of = |current: bool| {
        let sessions = list.as_array().unwrap();
        let found = sessions.iter().find(|one| one["current"] == current);
        let found = found.unwrap();
        (text(found, "browser"), text(found, "device"))
    };
    assert_eq!(of(true), ("Safari".into(), "iPhone".into()));
    assert_eq!(of(false), ("Firefox".into(), "Linux".into()));
    let access = text(&last, "access");
    for (query, status) in [("?except=current", 204), ("?except=x", 400)] {
        let path = format!("/api/sessions/{query}");
        let answer = app.call(Method::DELETE, &path, &access, Value::Null).await;
        assert_eq!(answer.status, status);
    }
    app.get("/api/auth/me/", &access).await.expect(200);
    let path = "/api/sessions/?except=none";
    app.call(Method::DELETE, path, &access, Value::Null)
        .await
        .expect(204);
    app.get("/api/auth/me/", &access).await.expect(401);
}

#[tokio::test]
async fn people_see_their_own_events_and_nobody_elses() {
    let app = App::start().await;
    app.access("09120000999").await;
    app.access(PHONE).await;
    let access = app.access(PHONE).await;
    let staff = json!({"username": PHONE, "password": "wrong"});
    app.post("/api/auth/token/", staff).await.expect(401);
    let path = "/api/auth/audit/";
    let all = app.get(path, &access).await.expect(200);
    let events = all["results"].as_array().unwrap();
    assert_eq!(events.len(), 3);
    assert_eq!(
        (&events[0]["outcome"], &events[0]["by_you"]),
        (&json!("denied"), &json!(false))
    );
    assert!(events[0]["ip"].is_string());
    let one = app
        .get(&format!("{path}?outcome=success&limit=1"), &access)
        .await
        .expect(200);
    let cursor = text(&one, "next_cursor");
    let rest = app
        .get(&format!("{path}?outcome=success&cursor={cursor}"), &access)
        .await
        .expect(200);
    assert_eq!(rest["results"].as_array().unwrap().len(), 1);
    app.get(&format!("{path}?cursor=junk"), &access)
        .await
        .expect(400);
}
