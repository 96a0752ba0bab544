//! Signing keys: published, sealed, rotated without logging anyone out.

use auth_otp::key::{KeyRing, KeyRingError};
use chrono::TimeDelta;
use common_types::clock::Clock;
use diesel::sql_types::Text;
use diesel_async::RunQueryDsl;
use serde_json::json;
use service_auth::{Sealer, Verifier};

use crate::harness::{App, PHONE, claims, send, text};
use crate::process::Program;

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

#[tokio::test]
async fn the_schedule_replaces_an_old_key_once_however_many_processes_ask() {
    let app = App::start().await;
    let schedule = auth_otp::settings::KeySettings {
        rotate_after_seconds: 3600,
        publish_ahead_seconds: 15,
        overlap_seconds: 3660,
    };
    let first = app
        .state
        .keys
        .get()
        .await
        .unwrap()
        .signer()
        .kid()
        .to_owned();
    let young = another_ring(&app).with_schedule(schedule);
    assert_eq!(young.rotate_when_due().await.unwrap(), None, "too young");
    app.clock.advance(TimeDelta::seconds(3601));
    let by_hand = another_ring(&app);
    assert_eq!(
        by_hand.rotate_when_due().await.unwrap(),
        None,
        "by hand only"
    );
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let ring = another_ring(&app).with_schedule(schedule);
        tasks.spawn(async move { ring.rotate_when_due().await.unwrap() });
    }
    let made: Vec<String> = tasks.join_all().await.into_iter().flatten().collect();
    assert_eq!(made.len(), 1);
    // Published before it signs, and the old one beside it for the overlap.
    let published = |ring: KeyRing| async move {
        let set = ring.get().await.unwrap();
        let kids: Vec<String> = set.jwks().keys.iter().map(|key| key.kid.clone()).collect();
        (set.signer().kid().to_owned(), kids)
    };
    let (signs, kids) = published(another_ring(&app)).await;
    assert!(signs == first && kids.contains(&made[0]));
    app.clock.advance(TimeDelta::seconds(16));
    let (signs, kids) = published(another_ring(&app)).await;
    assert!(signs == made[0] && kids.contains(&first));
    app.clock.advance(TimeDelta::seconds(3661));
    let ring = another_ring(&app);
    let (_, kids) = published(ring.clone()).await;
    assert!(!kids.contains(&first), "{kids:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_command_lists_rotates_and_retires_keys() {
    let app = App::start().await;
    // Kid, when it was made, state; the newest first.
    let list = || -> Vec<(String, String)> {
        Program::run(&app, &["keys", "list"])
            .unwrap()
            .lines()
            .map(|line| line.split_whitespace().collect::<Vec<_>>())
            .map(|words| (words[0].to_owned(), words[2].to_owned()))
            .collect()
    };
    let before = list();
    assert_eq!(before.len(), 1);
    let (first, state) = &before[0];
    assert_eq!(state, "active");
    let refused = Program::run(&app, &["keys", "retire", first]).unwrap_err();
    assert!(refused.contains("only"), "{refused}");
    let second = Program::run(&app, &["keys", "rotate"]).unwrap();
    let states = list();
    assert_eq!(states[0], (second.trim().to_owned(), "next".to_owned()));
    assert_eq!(states[1], (first.clone(), "active".to_owned()));
    Program::run(&app, &["keys", "retire", "nobody"]).unwrap_err();
    Program::run(&app, &["keys"]).unwrap_err();
    // Both are published: the new one for verifiers to learn, the old one for the tokens it signed.
    let ring = another_ring(&app);
    let published = ring.get().await.unwrap().jwks().keys.len();
    assert_eq!(published, 2);
}
