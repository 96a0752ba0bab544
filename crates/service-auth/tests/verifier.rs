//! The verifier from outside: good tokens of each kind, the list of bad ones, keys over HTTP, revocation.
#![allow(clippy::unwrap_used)]

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use chrono::TimeDelta;
use common_types::clock::{Clock, MovableClock};
use common_types::events::auth::RevocationKind;
use common_types::internal::auth::{Revocation, RevocationFeed};
use service_auth::testing::{ISSUER, PORTAL_ISSUER, TestIssuer, bad_tokens};
use service_auth::{AuthError, KeySet, RevocationSource, Signer, Verifier};
use service_config::{AuthSettings, Secret};
use uuid::Uuid;
use wiremock::matchers::{method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

fn settings(jwks_url: &str) -> AuthSettings {
    AuthSettings {
        issuer: ISSUER.into(),
        portal_issuer: PORTAL_ISSUER.into(),
        jwks_url: jwks_url.into(),
        portal_jwks_url: String::new(),
        revocations_url: String::new(),
        portal_revocations_url: String::new(),
        client_id: "test".into(),
        client_secret: Secret::new("secret"),
        token_url: String::new(),
        client_ip_key: Secret::new("key"),
        revocation_poll_ms: 50,
    }
}

fn setup() -> (MovableClock, TestIssuer, Verifier) {
    let clock = MovableClock::default();
    let issuer = TestIssuer::with_clock(clock.shared());
    let verifier = Verifier::new(settings(""), clock.shared()).unwrap();
    issuer.install_in(&verifier);
    (clock, issuer, verifier)
}

#[tokio::test]
async fn good_tokens_of_each_kind_are_accepted() {
    let (_, issuer, verifier) = setup();
    let user = Uuid::now_v7();
    let access = issuer.access(|claims| claims.sub = user);
    assert_eq!(verifier.verify_access(&access).await.unwrap().sub, user);
    assert_eq!(
        verifier.verify_access(&access).await.unwrap().sub,
        user,
        "from the cache"
    );
    assert_eq!(
        verifier
            .verify_service(&issuer.service("portal"))
            .await
            .unwrap()
            .service(),
        "portal"
    );
    let patient = Uuid::now_v7();
    let portal = issuer.portal(|claims| claims.sub = patient);
    assert_eq!(verifier.verify_portal(&portal).await.unwrap().sub, patient);
}

#[tokio::test]
async fn q_a4_every_bad_token_is_refused() {
    let (_, issuer, verifier) = setup();
    let list = bad_tokens(&issuer);
    assert!(list.len() >= 80, "{}", list.len());
    let names: HashSet<_> = list.iter().map(|(name, _)| *name).collect();
    assert_eq!(names.len(), list.len(), "names are unique");
    let good = issuer.access(|_| {});
    for (name, token) in &list {
        assert!(
            token.bytes().all(|b| (0x20..0x7f).contains(&b)),
            "{name}: not visible ASCII"
        );
        let error = verifier.verify_access(token).await.expect_err(name);
        assert!(!error.is_unavailable(), "{name}: {error}");
        // A second try must not find it in the cache.
        assert!(
            verifier.verify_access(token).await.is_err(),
            "{name} the second time"
        );
        if !["a service token", "a portal token"].contains(name) {
            assert!(
                verifier.verify_service(token).await.is_err(),
                "{name} as a service"
            );
            assert!(
                verifier.verify_portal(token).await.is_err(),
                "{name} as a patient"
            );
        }
    }
    verifier.verify_access(&good).await.unwrap();
}

#[tokio::test]
async fn q_a4_each_refusal_has_its_reason() {
    let (_, issuer, verifier) = setup();
    let list: std::collections::HashMap<_, _> = bad_tokens(&issuer).into_iter().collect();
    for (name, reason) in [
        ("alg none, signed", AuthError::BadHeader),
        ("HS256 under the public JWK", AuthError::BadHeader),
        ("jku", AuthError::BadHeader),
        ("crit empty", AuthError::BadHeader),
        ("typ JWT", AuthError::WrongKind),
        ("kid of nobody", AuthError::UnknownKey),
        ("kid of the portal", AuthError::UnknownKey),
        ("duplicate alg", AuthError::Malformed),
        ("duplicate superuser", AuthError::Malformed),
        ("exp \"1\"", AuthError::BadClaims),
        ("exp 1e400", AuthError::Malformed),
        ("exp past", AuthError::Expired),
        ("nbf in an hour", AuthError::NotYetValid),
        ("iss of somebody else", AuthError::WrongIssuer),
        ("aud of the services", AuthError::WrongAudience),
        ("token_type refresh", AuthError::WrongKind),
        ("signature flipped", AuthError::BadSignature),
        ("signature all zero", AuthError::BadSignature),
        ("payload of one megabyte", AuthError::Malformed),
        ("payload nested 2,500 deep", AuthError::Malformed),
    ] {
        assert_eq!(
            verifier.verify_access(&list[name]).await.unwrap_err(),
            reason,
            "{name}"
        );
    }
}

#[tokio::test]
async fn a_token_ends_even_in_the_cache() {
    let (clock, issuer, verifier) = setup();
    let token = issuer.access(|_| {});
    verifier.verify_access(&token).await.unwrap();
    clock.advance(TimeDelta::seconds(900 + 9));
    verifier.verify_access(&token).await.unwrap();
    clock.advance(TimeDelta::seconds(2));
    assert_eq!(
        verifier.verify_access(&token).await.unwrap_err(),
        AuthError::Expired
    );
    assert_eq!(
        verifier.verify_access(&token).await.unwrap_err(),
        AuthError::Expired
    );
}

#[tokio::test]
async fn q_a6_a_revoked_session_is_refused_though_cached() {
    let (clock, issuer, verifier) = setup();
    let (sid, user) = (Uuid::now_v7(), Uuid::now_v7());
    let token = issuer.access(|claims| (claims.sid, claims.sub) = (sid, user));
    let other = issuer.access(|claims| claims.sub = user);
    verifier.verify_access(&token).await.unwrap();
    let now = clock.now();
    let until = now + TimeDelta::minutes(15);
    let of = |kind, id| Revocation {
        kind,
        id,
        not_before: now.timestamp() + 1,
        expires_at: until,
    };
    verifier
        .revocations()
        .apply(&of(RevocationKind::Session, sid));
    assert_eq!(
        verifier.verify_access(&token).await.unwrap_err(),
        AuthError::Revoked
    );
    verifier.verify_access(&other).await.unwrap();
    verifier
        .revocations()
        .apply(&of(RevocationKind::User, user));
    assert_eq!(
        verifier.verify_access(&other).await.unwrap_err(),
        AuthError::Revoked
    );
}

#[tokio::test]
async fn q_a6_revocations_are_polled_page_by_page() {
    let (clock, issuer, verifier) = setup();
    let sid = Uuid::now_v7();
    let token = issuer.access(|claims| claims.sid = sid);
    let until = clock.now() + TimeDelta::minutes(15);
    let source = RevocationSource::from_fn("auth-otp", move |since| async move {
        let revocation = Revocation {
            kind: RevocationKind::Session,
            id: sid,
            not_before: 0,
            expires_at: until,
        };
        let revocations = if since < 2 { vec![revocation] } else { vec![] };
        Ok(RevocationFeed {
            cursor: since + 1,
            revocations,
        })
    });
    assert!(verifier.require_fresh().is_ok(), "nobody is expected yet");
    let guard = verifier.start_with(vec![source]);
    let deadline = tokio::time::Instant::now() + Duration::from_secs(5);
    while verifier.verify_access(&token).await != Err(AuthError::Revoked)
        || verifier.revocations().cursor("auth-otp") < 3
    {
        assert!(tokio::time::Instant::now() < deadline);
        tokio::task::yield_now().await;
    }
    assert!(verifier.require_fresh().is_ok());
    drop(guard);
    clock.advance(TimeDelta::seconds(31));
    assert_eq!(
        verifier.require_fresh().unwrap_err(),
        AuthError::RevocationsUnknown
    );
}

/// An owner that repeats its newest rows (cursors are given out before their rows commit) is asked once a time, not in a
/// circle.
#[tokio::test]
async fn q_a6_an_owner_that_repeats_itself_is_asked_once_a_time() {
    let clock = MovableClock::default();
    let slow = AuthSettings {
        revocation_poll_ms: 60_000,
        ..settings("")
    };
    let verifier = Verifier::new(slow, clock.shared()).unwrap();
    let until = clock.now() + TimeDelta::minutes(15);
    let asked = Arc::new(AtomicUsize::new(0));
    let counter = asked.clone();
    let source = RevocationSource::from_fn("portal", move |since| {
        counter.fetch_add(1, Ordering::SeqCst);
        async move {
            let all: Vec<i64> = (1..=1_500).collect();
            let page = all
                .iter()
                .filter(|cursor| **cursor > since - 50)
                .take(1_000);
            let cursors: Vec<i64> = page.copied().collect();
            Ok(RevocationFeed {
                cursor: cursors.last().copied().unwrap_or(since),
                revocations: cursors
                    .iter()
                    .map(|_| Revocation {
                        kind: RevocationKind::Session,
                        id: Uuid::now_v7(),
                        not_before: 0,
                        expires_at: until,
                    })
                    .collect(),
            })
        }
    });
    let guard = verifier.start_with(vec![source]);
    let deadline = tokio::time::Instant::now() + Duration::from_secs(10);
    while asked.load(Ordering::SeqCst) < 3 {
        assert!(tokio::time::Instant::now() < deadline);
        tokio::task::yield_now().await;
    }
    // Two pages of news and one that leads no further; the next question is for the next time.
    for _ in 0..1_000 {
        tokio::task::yield_now().await;
    }
    assert_eq!(asked.load(Ordering::SeqCst), 3);
    assert_eq!(verifier.revocations().cursor("portal"), 1_500);
    drop(guard);
}

#[tokio::test]
async fn keys_are_fetched_once_and_again_for_a_new_kid() {
    let server = MockServer::start().await;
    let clock = MovableClock::default();
    let issuer = TestIssuer::with_clock(clock.shared());
    let document = serde_json::to_value(issuer.jwks()).unwrap();
    let first = Mock::given(method("GET"))
        .and(path("/jwks"))
        .respond_with(ResponseTemplate::new(200).set_body_json(document))
        .expect(2)
        .mount_as_scoped(&server)
        .await;
    let verifier =
        Verifier::new(settings(&format!("{}/jwks", server.uri())), clock.shared()).unwrap();
    let tokens: Vec<_> = (0..20).map(|_| issuer.access(|_| {})).collect();
    let checks = tokens.iter().map(|token| verifier.verify_access(token));
    for result in futures_join(checks).await {
        result.unwrap();
    }
    // A stranger's kid asks once more at most, however often it comes.
    clock.advance(TimeDelta::seconds(4));
    let stranger = TestIssuer::with_clock(clock.shared());
    for _ in 0..50 {
        assert_eq!(
            verifier
                .verify_access(&stranger.access(|_| {}))
                .await
                .unwrap_err(),
            AuthError::UnknownKey
        );
    }
    drop(first);
    // The key rotates: the next token brings the new set, and the retired key's tokens end.
    let next = Signer::generate().unwrap();
    let set = KeySet::new(next.clone(), []);
    Mock::given(path("/jwks"))
        .respond_with(
            ResponseTemplate::new(200).set_body_json(serde_json::to_value(set.jwks()).unwrap()),
        )
        .mount(&server)
        .await;
    clock.advance(TimeDelta::seconds(4));
    let rotated = TestIssuer::with_signers(next, issuer.portal_signer().clone(), clock.shared());
    verifier
        .verify_access(&rotated.access(|_| {}))
        .await
        .unwrap();
    assert_eq!(
        verifier.verify_access(&tokens[0]).await.unwrap_err(),
        AuthError::UnknownKey
    );
}

#[tokio::test]
async fn without_keys_the_caller_is_not_to_blame() {
    let clock = MovableClock::default();
    let issuer = TestIssuer::with_clock(clock.shared());
    let verifier = Verifier::new(settings("http://127.0.0.1:1/jwks"), clock.shared()).unwrap();
    let error = verifier
        .verify_access(&issuer.access(|_| {}))
        .await
        .unwrap_err();
    assert_eq!(error, AuthError::KeysUnavailable);
    assert!(error.is_unavailable() && !verifier.has_keys());
}

async fn futures_join<F: Future>(futures: impl Iterator<Item = F>) -> Vec<F::Output> {
    let mut results = Vec::new();
    let mut pending: Vec<_> = futures.map(Box::pin).collect();
    std::future::poll_fn(|cx| {
        pending.retain_mut(|future| match future.as_mut().poll(cx) {
            std::task::Poll::Ready(result) => {
                results.push(result);
                false
            }
            std::task::Poll::Pending => true,
        });
        if pending.is_empty() {
            std::task::Poll::Ready(())
        } else {
            std::task::Poll::Pending
        }
    })
    .await;
    results
}

#[tokio::test]
async fn shared_state_survives_clones() {
    let (_, issuer, verifier) = setup();
    let verifier = Arc::new(verifier);
    let clone = Verifier::clone(&verifier);
    let sid = Uuid::now_v7();
    let token = issuer.access(|claims| claims.sid = sid);
    let expires_at = chrono::Utc::now() + TimeDelta::hours(1);
    clone.revocations().apply(&Revocation {
        kind: RevocationKind::Session,
        id: sid,
        not_before: 0,
        expires_at,
    });
    assert_eq!(
        verifier.verify_access(&token).await.unwrap_err(),
        AuthError::Revoked
    );
}
