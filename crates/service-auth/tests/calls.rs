//! One service calling another: service tokens, the internal client, API keys.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use chrono::TimeDelta;
use common_types::clock::MovableClock;
use serde_json::{Value, json};
use service_auth::testing::TestIssuer;
use service_auth::{ApiKeys, InternalClient, InternalError, ServiceTokens};
use service_config::{AuthSettings, Secret};
use wiremock::matchers::{body_string_contains, header, method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

fn settings(base: &str) -> AuthSettings {
    AuthSettings {
        issuer: "i".into(),
        portal_issuer: "p".into(),
        jwks_url: String::new(),
        portal_jwks_url: String::new(),
        revocations_url: String::new(),
        portal_revocations_url: String::new(),
        client_id: "portal".into(),
        client_secret: Secret::new("s&cret=1"),
        token_url: format!("{base}/token"),
        client_ip_key: Secret::new("key"),
        revocation_poll_ms: 2000,
    }
}

async fn token_endpoint(server: &MockServer, token: &str, times: u64) -> wiremock::MockGuard {
    Mock::given(method("POST"))
        .and(path("/token"))
        .and(body_string_contains(
            "grant_type=client_credentials&client_id=portal&client_secret=s%26cret%3D1",
        ))
        .respond_with(
            ResponseTemplate::new(200)
                .set_body_json(
                    json!({"access_token": token, "token_type": "Bearer", "expires_in": 600}),
                )
                .set_delay(Duration::from_millis(30)),
        )
        .expect(times)
        .mount_as_scoped(server)
        .await
}

#[tokio::test]
async fn a_token_is_fetched_once_and_renewed_before_it_ends() {
    let server = MockServer::start().await;
    let clock = MovableClock::default();
    let tokens = ServiceTokens::new(&settings(&server.uri()), clock.shared());
    let first = token_endpoint(&server, "one", 1).await;
    let mut waiting = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let tokens = tokens.clone();
        waiting.spawn(async move { tokens.token().await.unwrap() });
    }
    while let Some(token) = waiting.join_next().await {
        assert_eq!(&*token.unwrap(), "one");
    }
    drop(first);
    clock.advance(TimeDelta::seconds(545));
    let _second = token_endpoint(&server, "two", 1).await;
    assert_eq!(&*tokens.token().await.unwrap(), "two");
}

#[tokio::test]
async fn a_living_token_outlasts_a_silent_endpoint() {
    let server = MockServer::start().await;
    let clock = MovableClock::default();
    let tokens = ServiceTokens::new(&settings(&server.uri()), clock.shared());
    let first = token_endpoint(&server, "one", 1).await;
    tokens.token().await.unwrap();
    drop(first);
    clock.advance(TimeDelta::seconds(550));
    assert_eq!(&*tokens.token().await.unwrap(), "one");
    clock.advance(TimeDelta::seconds(60));
    assert!(matches!(tokens.token().await, Err(InternalError::Token(_))));
}

fn client(server: &MockServer) -> InternalClient {
    InternalClient::new(&server.uri(), TestIssuer::new().service_tokens("portal"))
}

#[tokio::test]
async fn a_get_is_tried_again_and_a_post_is_not() {
    let server = MockServer::start().await;
    let busy = || ResponseTemplate::new(503);
    Mock::given(method("GET"))
        .respond_with(busy())
        .up_to_n_times(2)
        .expect(2)
        .mount(&server)
        .await;
    Mock::given(method("GET"))
        .respond_with(ResponseTemplate::new(200).set_body_json(json!({"ok": true})))
        .expect(1)
        .mount(&server)
        .await;
    Mock::given(method("POST"))
        .respond_with(busy().set_body_string("later"))
        .expect(1)
        .mount(&server)
        .await;
    let client = client(&server);
    assert_eq!(
        client.get_json::<Value>("/internal/x").await.unwrap(),
        json!({"ok": true})
    );
    let error = client
        .post_json::<_, Value>("/internal/x", &json!({}))
        .await
        .unwrap_err();
    assert_eq!(
        error,
        InternalError::Status {
            status: 503,
            body: "later".into()
        }
    );
    assert!(error.is_unknown());
}

#[tokio::test]
async fn a_refused_token_is_replaced_once() {
    let server = MockServer::start().await;
    let clock = MovableClock::default();
    let tokens = ServiceTokens::new(&settings(&server.uri()), clock.shared());
    let first = token_endpoint(&server, "old", 1).await;
    tokens.token().await.unwrap();
    drop(first);
    let _second = token_endpoint(&server, "new", 1).await;
    Mock::given(path("/internal/x"))
        .and(header("authorization", "Bearer old"))
        .respond_with(ResponseTemplate::new(401))
        .expect(1)
        .mount(&server)
        .await;
    Mock::given(path("/internal/x"))
        .and(header("authorization", "Bearer new"))
        .respond_with(ResponseTemplate::new(201).set_body_json(json!(1)))
        .expect(1)
        .mount(&server)
        .await;
    let client = InternalClient::new(&server.uri(), tokens);
    assert_eq!(
        client
            .post_json::<_, i32>("/internal/x", &json!({}))
            .await
            .unwrap(),
        1
    );
}

#[tokio::test]
async fn a_peer_that_is_just_starting_is_asked_again() {
    let server = MockServer::start().await;
    let starting = json!({"code": "auth.keys_unavailable", "status": 503});
    Mock::given(method("POST"))
        .respond_with(ResponseTemplate::new(503).set_body_json(&starting))
        .up_to_n_times(2)
        .expect(2)
        .mount(&server)
        .await;
    Mock::given(method("POST"))
        .respond_with(ResponseTemplate::new(201).set_body_json(json!(1)))
        .expect(1)
        .mount(&server)
        .await;
    let sent = client(&server)
        .post_json::<_, i32>("/internal/x", &json!({}))
        .await;
    assert_eq!(sent, Ok(1));
    let never = InternalError::Status {
        status: 503,
        body: starting.to_string(),
    };
    assert!(!never.is_unknown(), "it certainly did nothing");
}

#[tokio::test]
async fn silence_and_absence_are_told_apart() {
    let server = MockServer::start().await;
    Mock::given(method("POST"))
        .respond_with(ResponseTemplate::new(200).set_delay(Duration::from_secs(5)))
        .mount(&server)
        .await;
    let slow = client(&server).with_timeout(Duration::from_millis(50));
    assert_eq!(
        slow.post_json::<_, Value>("/x", &json!({}))
            .await
            .unwrap_err(),
        InternalError::Timeout
    );
    let absent = InternalClient::new(
        "http://127.0.0.1:1",
        TestIssuer::new().service_tokens("portal"),
    );
    let error = absent
        .post_json::<_, Value>("/x", &json!({}))
        .await
        .unwrap_err();
    assert_eq!(error, InternalError::Connect);
    assert!(!error.is_unknown());
}

#[tokio::test]
async fn an_api_key_is_asked_once_in_five_seconds() {
    let server = MockServer::start().await;
    let id = uuid::Uuid::now_v7();
    Mock::given(path("/internal/api-keys/introspect"))
        .and(body_string_contains("good"))
        .respond_with(ResponseTemplate::new(200).set_body_json(
            json!({"active": true, "id": id, "name": "SOAPify", "scopes": ["soapify"], "organization_id": null}),
        ))
        .expect(1)
        .mount(&server)
        .await;
    Mock::given(path("/internal/api-keys/introspect"))
        .and(body_string_contains("bad"))
        .respond_with(ResponseTemplate::new(200).set_body_json(json!({"active": false})))
        .expect(1)
        .mount(&server)
        .await;
    let keys = ApiKeys::new(client(&server));
    for _ in 0..3 {
        let key = keys.introspect("good").await.unwrap().unwrap();
        assert!(key.id == id && key.has_scope("soapify") && !key.has_scope("admin"));
        assert_eq!(keys.introspect("bad").await.unwrap(), None);
    }
    assert_eq!(keys.introspect("").await.unwrap(), None);
    assert_eq!(keys.introspect(&"x".repeat(300)).await.unwrap(), None);
}
