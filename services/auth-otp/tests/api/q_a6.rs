//! Q-A6: an end is felt by every verifier within five seconds, by poll alone when the broker is away.

use common_types::clock::SystemClock;
use reqwest::Method;
use serde_json::json;
use service_auth::{AuthError, InternalClient, RevocationSource, ServiceTokens, Verifier};

use crate::harness::{App, PHONE, text, within_five_seconds};

/// A verifier of another service: keys over HTTP, revocations over HTTP, nothing else.
fn verifier(app: &App) -> (Verifier, service_auth::BackgroundTask) {
    let mut settings = app.state.settings.auth.clone();
    settings.jwks_url = format!("{}/.well-known/jwks.json", app.base);
    settings.revocations_url = format!("{}/internal/revocations", app.base);
    settings.portal_revocations_url = String::new();
    settings.token_url = format!("{}/api/auth/oauth/token/", app.base);
    settings.client_id = "patient-access".into();
    settings.client_secret = service_config::Secret::new("a secret of the client patient-access");
    settings.revocation_poll_ms = 2000;
    let tokens = ServiceTokens::new(&settings, app.clock.shared());
    let verifier = Verifier::new(&settings, app.clock.shared()).unwrap();
    let background = verifier.start(&tokens);
    (verifier, background)
}

async fn refused_within_five_seconds(verifier: &Verifier, token: &str) {
    within_five_seconds(async || verifier.verify_access(token).await == Err(AuthError::Revoked))
        .await;
}

#[tokio::test]
async fn q_a6_logout_is_felt_by_another_service_within_five_seconds() {
    let app = App::start().await;
    let login = app.log_in(PHONE).await;
    let access = text(&login, "access");
    let (verifier, _background) = verifier(&app);
    verifier.verify_access(&access).await.unwrap();
    app.call(Method::POST, "/api/auth/logout/", &access, json!({}))
        .await
        .expect(204);
    app.get("/api/auth/me/", &access).await.expect(401);
    refused_within_five_seconds(&verifier, &access).await;
}

#[tokio::test]
async fn q_a6_an_end_is_known_after_every_restart() {
    let app = App::start().await;
    let access = text(&app.log_in(PHONE).await, "access");
    app.call(Method::POST, "/api/auth/logout/", &access, json!({}))
        .await
        .expect(204);
    // A new process knows nothing; its first poll tells it.
    let (verifier, _background) = verifier(&app);
    refused_within_five_seconds(&verifier, &access).await;
    assert!(verifier.require_fresh().is_ok());
}

#[tokio::test]
async fn q_a6_reuse_is_felt_too() {
    let app = App::start().await;
    let login = app.log_in(PHONE).await;
    let (verifier, _background) = verifier(&app);
    let access = text(&login, "access");
    verifier.verify_access(&access).await.unwrap();
    let body = json!({"refresh": text(&login, "refresh")});
    app.post("/api/auth/token/refresh/", body.clone())
        .await
        .expect(200);
    app.advance(30);
    app.post("/api/auth/token/refresh/", body).await.expect(401);
    refused_within_five_seconds(&verifier, &access).await;
}

#[tokio::test]
async fn q_a6_the_feed_goes_on_from_its_cursor() {
    let app = App::start().await;
    let token = app.service_token().await;
    for _ in 0..3 {
        let access = app.access(PHONE).await;
        app.call(Method::POST, "/api/auth/logout/", &access, json!({}))
            .await
            .expect(204);
    }
    let all = app
        .get("/internal/revocations?since=0", &token)
        .await
        .expect(200);
    assert_eq!(all["revocations"].as_array().unwrap().len(), 3);
    let cursor = all["cursor"].as_i64().unwrap();
    let rest = app
        .get(
            &format!("/internal/revocations?since={}", cursor - 1),
            &token,
        )
        .await
        .expect(200);
    assert_eq!(rest["revocations"].as_array().unwrap().len(), 1);
    let none = app
        .get(&format!("/internal/revocations?since={cursor}"), &token)
        .await
        .expect(200);
    assert_eq!(
        (
            none["cursor"].as_i64().unwrap(),
            none["revocations"].as_array().unwrap().len()
        ),
        (cursor, 0)
    );
}

#[tokio::test]
async fn q_a6_sensitive_routes_refuse_when_the_owner_is_silent() {
    let app = App::start().await;
    let settings = app.state.settings.auth.clone();
    let verifier = Verifier::new(&settings, SystemClock::shared()).unwrap();
    let tokens = app.issuer().await.service_tokens("portal");
    let absent = RevocationSource::http(
        "auth-otp",
        InternalClient::new("http://127.0.0.1:9", tokens),
    );
    let _background = verifier.start_with(vec![absent]);
    assert_eq!(
        verifier.require_fresh().unwrap_err(),
        AuthError::RevocationsUnknown
    );
}
