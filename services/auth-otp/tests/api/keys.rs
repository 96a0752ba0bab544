//! Signing keys: published, sealed, rotated without logging anyone out.

use auth_otp::key::{KeyRing, KeyRingError};
use chrono::TimeDelta;
use common_types::clock::Clock;
use diesel::sql_types::Text;
use diesel_async::RunQueryDsl;
use serde_json::json;
use service_auth::{Sealer, Verifier};

use crate::harness::{App, PHONE, claims, send, text};

#[derive(diesel::QueryableByName)]
struct PrivateKey {
    #[diesel(sql_type = Text)]
    private_key: String,
}

/// Another process of the service, with its own memory.
fn another_ring(app: &App) -> KeyRing {
    let sealer = Sealer::from_settings(&app.state.settings.sealing).unwrap();
    let verifier = Verifier::new(&app.state.settings.auth, app.clock.shared()).unwrap();
    KeyRing::new(app.db.db.clone(), sealer, app.clock.shared(), verifier)
}

#[tokio::test]
async fn the_set_is_public_and_the_private_key_is_sealed() {
    let app = App::start().await;
    let answer = send(app.request(reqwest::Method::GET, "/.well-known/jwks.json"))
        .await
        .expect(200);
    let key = &answer["keys"][0];
    assert_eq!(
        (&key["kty"], &key["crv"], &key["alg"], &key["use"]),
        (
            &json!("EC"),
            &json!("P-256"),
            &json!("ES256"),
            &json!("sig")
        )
    );
    assert!(key.get("d").is_none());
    let mut conn = app.db.db.get().await.unwrap();
    let row: PrivateKey = diesel::sql_query("SELECT private_key FROM signing_keys")
        .get_result(&mut conn)
        .await
        .unwrap();
    assert!(row.private_key.starts_with("v1.k1.") && !row.private_key.contains("PRIVATE"));
}

#[tokio::test]
async fn many_processes_make_one_first_key() {
    let app = App::start().await;
    let mut conn = app.db.db.get().await.unwrap();
    diesel::sql_query("DELETE FROM signing_keys")
        .execute(&mut conn)
        .await
        .unwrap();
    let rings: Vec<KeyRing> = (0..8).map(|_| another_ring(&app)).collect();
    let mut tasks = tokio::task::JoinSet::new();
    for ring in rings {
        tasks.spawn(async move { ring.get().await.unwrap().signer().kid().to_owned() });
    }
    let kids: std::collections::BTreeSet<String> = tasks.join_all().await.into_iter().collect();
    assert_eq!(kids.len(), 1);
}

#[tokio::test]
async fn a_rotation_logs_nobody_out() {
    let app = App::start().await;
    let login = app.log_in(PHONE).await;
    let old = text(&login, "access");
    let ring = another_ring(&app);
    let next = ring.rotate().await.unwrap();
    let published: Vec<String> = ring
        .get()
        .await
        .unwrap()
        .jwks()
        .keys
        .iter()
        .map(|key| key.kid.clone())
        .collect();
    assert!(published.contains(&next), "published before it signs");
    assert_ne!(ring.get().await.unwrap().signer().kid(), next);
    app.clock.advance(TimeDelta::seconds(20));
    let ring = another_ring(&app);
    let set = ring.get().await.unwrap();
    assert_eq!(set.signer().kid(), next);
    app.state.stack.verifier.install_keys(&set.jwks());
    app.get("/api/auth/me/", &old).await.expect(200);
    let states: Vec<&str> = ring
        .list()
        .await
        .unwrap()
        .iter()
        .map(|key| key.state)
        .collect();
    assert_eq!(states, ["active", "published"]);
    app.clock.advance(TimeDelta::seconds(2 * 3600));
    let ring = another_ring(&app);
    assert_eq!(ring.get().await.unwrap().jwks().keys.len(), 1);
    assert!(claims(&old)["exp"].as_i64().unwrap() < app.clock.now().timestamp());
}

#[tokio::test]
async fn a_stolen_key_can_be_retired_at_once_but_never_the_last() {
    let app = App::start().await;
    let ring = another_ring(&app);
    let old = ring.get().await.unwrap().signer().kid().to_owned();
    assert!(matches!(
        ring.retire(&old).await,
        Err(KeyRingError::OnlyKey)
    ));
    assert!(matches!(
        ring.retire("nobody").await,
        Err(KeyRingError::NoSuchKey(_))
    ));
    ring.rotate().await.unwrap();
    app.clock.advance(TimeDelta::seconds(20));
    ring.retire(&old).await.unwrap();
    let kids: Vec<String> = ring
        .get()
        .await
        .unwrap()
        .jwks()
        .keys
        .iter()
        .map(|key| key.kid.clone())
        .collect();
    assert!(!kids.contains(&old));
}
