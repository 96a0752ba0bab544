//! Who may pass: tokens of every kind on every kind of route.

use futures_util::StreamExt;
use serde_json::{Value, json};
use service_auth::testing::bad_tokens;

use gateway::routes::{CallerKind, Found};

use crate::harness::{Upstream, gate, status_of};

#[tokio::test(flavor = "multi_thread")]
async fn without_credentials_the_words_are_those_of_the_contract() {
    let upstream = Upstream::start().await;
    let gate = gate(&upstream, &[]).await;
    let answer = gate.get("/api/auth/me/").send().await.unwrap();
    assert_eq!(answer.status(), 401);
    assert_eq!(answer.headers()["www-authenticate"], "Bearer realm=\"api\"");
    assert_eq!(answer.headers()["content-type"], "application/problem+json");
    let body: Value = answer.json().await.unwrap();
    assert_eq!(
        body["detail"],
        "Authentication credentials were not provided."
    );
    let expired = gate.issuer.access(|claims| {
        claims.iat -= 4000;
        claims.nbf -= 4000;
        claims.exp -= 4000;
    });
    let answer = gate
        .get("/api/auth/me/")
        .bearer_auth(expired)
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 401);
    let body: Value = answer.json().await.unwrap();
    assert_eq!(body["detail"], "Given token not valid for any token type");
    assert_eq!(body["code"], "token_not_valid");
    assert_eq!(
        body["messages"],
        json!([{"token_class": "AccessToken", "token_type": "access", "message": "Token is invalid"}])
    );
    assert_eq!(upstream.count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn q_a4_no_bad_token_passes() {
    let upstream = Upstream::start().await;
    let gate = gate(&upstream, &[]).await;
    let tokens = bad_tokens(&gate.issuer);
    assert!(tokens.len() >= 100, "{}", tokens.len());
    let mut answers = futures_util::stream::iter(tokens)
        .map(|(name, token)| {
            let gate = &gate;
            async move {
                let request = format!(
                    "GET /api/auth/me/ HTTP/1.1\r\nHost: t\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\r\n"
                );
                (name, status_of(&gate.raw_to_end(request.as_bytes()).await))
            }
        })
        .buffer_unordered(16);
    while let Some((name, status)) = answers.next().await {
        assert!(matches!(status, 401 | 400 | 431), "{name}: {status}");
    }
    assert_eq!(upstream.count(), 0);
    assert_eq!(
        gate.get_as_user("/api/auth/me/")
            .send()
            .await
            .unwrap()
            .status(),
        200
    );
}

/// Every route of the table: a person's route refuses each bad token, a public one hands none on.
#[tokio::test(flavor = "multi_thread")]
async fn q_a4_no_bad_token_passes_on_any_route() {
    let upstream = Upstream::start().await;
    let gate = gate(&upstream, &[]).await;
    let tokens = bad_tokens(&gate.issuer);
    let table = gate.shared().table.load_full();
    let mut calls = Vec::new();
    for (index, route) in table.routes().iter().enumerate() {
        if route.websocket {
            continue;
        }
        let path: Vec<&str> = route
            .prefix
            .split('/')
            .map(|part| if part.starts_with('{') { "1" } else { part })
            .collect();
        let path = path.join("/");
        let found = if let Found::Route(found) = table.find(&path, "GET") {
            found
        } else {
            route
        };
        let public = found.is_public();
        let for_patients = public || found.callers.contains(&CallerKind::Portal);
        let for_partners = public || found.callers.contains(&CallerKind::ApiKey);
        // All tokens on all routes is 13,000 calls: every route takes a quarter of the list, any four all of it.
        for (name, token) in tokens.iter().skip(index % 4).step_by(4) {
            // A patient's session is a good token where patients may call, what does not look like a token of ours may
            // be a partner's key (the service asks), and no route sees what is too large for a head.
            let like_ours = token.starts_with("ey") && token.matches('.').count() == 2;
            if (for_patients && *name == "a portal token")
                || (for_partners && !like_ours)
                || token.len() > 16 * 1024
            {
                continue;
            }
            calls.push((path.clone(), public, *name, token.clone()));
        }
    }
    assert!(calls.len() >= 1_500, "{}", calls.len());
    let mut answers = futures_util::stream::iter(calls)
        .map(|(path, public, name, token)| {
            let gate = &gate;
            async move {
                let request = format!(
                    "GET {path} HTTP/1.1\r\nHost: t\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\r\n"
                );
                (path, public, name, status_of(&gate.raw_to_end(request.as_bytes()).await))
            }
        })
        .buffer_unordered(32);
    while let Some((path, public, name, status)) = answers.next().await {
        let right = matches!(status, 400 | 401 | 403 | 404 | 405) || (public && status == 200);
        assert!(right, "{path}, {name}: {status}");
    }
    for seen in upstream.seen() {
        assert!(
            seen.header("authorization")
                .is_none_or(|value| !value.contains("ey")),
            "{seen:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_route_takes_only_its_kinds_of_token() {
    let upstream = Upstream::start().await;
    let gate = gate(&upstream, &[]).await;
    let (user, portal, service) = (
        gate.issuer.access(|_| {}),
        gate.issuer.portal(|_| {}),
        gate.issuer.service("portal"),
    );
    for (path, token, status) in [
        ("/api/auth/me/", &user, 200),
        ("/api/auth/me/", &portal, 401),
        ("/api/auth/me/", &service, 401),
        ("/api/patients/portal/profile/", &portal, 200),
        ("/api/patients/portal/profile/", &user, 401),
        ("/api/reports/patient-download/x/", &portal, 200),
        ("/api/reports/patient-download/x/", &user, 200),
        ("/api/reports/patient-download/x/", &service, 401),
        ("/api/users/by-phone/09120000000/", &service, 401),
        ("/api/users/by-phone/09120000000/", &user, 401),
        (
            "/api/users/by-phone/09120000000/",
            &"tbk_opaque".to_owned(),
            200,
        ),
        ("/v1/models", &"sk-opaque".to_owned(), 200),
        ("/v1/models", &user, 200),
        ("/v1/models", &service, 401),
    ] {
        let answer = gate.get(path).bearer_auth(token).send().await.unwrap();
        assert_eq!(
            answer.status(),
            status,
            "{path} {}",
            &token[..token.len().min(12)]
        );
    }
    let answer = gate
        .get("/api/users/by-phone/09120000000/")
        .header("X-API-Key", "tbk")
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(
        gate.get("/internal/revocations")
            .bearer_auth(&service)
            .send()
            .await
            .unwrap()
            .status(),
        404
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn public_routes_ignore_a_stale_bearer() {
    let upstream = Upstream::start().await;
    let gate = gate(&upstream, &[]).await;
    let stale = gate.issuer.access(|claims| {
        claims.iat -= 4000;
        claims.nbf -= 4000;
        claims.exp -= 4000;
    });
    for path in [
        "/api/patients/portal/login/",
        "/api/auth/token/refresh/",
        "/api/auth/otp/verify/",
    ] {
        for token in [&stale, &gate.issuer.service("chat")] {
            let answer = gate
                .post(path)
                .bearer_auth(token)
                .body("{}")
                .send()
                .await
                .unwrap();
            assert_eq!(answer.status(), 200, "{path}");
            assert_eq!(upstream.last().header("authorization"), None, "{path}");
        }
    }
    // What is no token of ours belongs to the service: the token endpoint's Basic, a provider's own scheme.
    gate.post("/api/auth/oauth/token/")
        .basic_auth("client", Some("secret"))
        .send()
        .await
        .unwrap();
    assert!(
        upstream
            .last()
            .header("authorization")
            .unwrap()
            .starts_with("Basic ")
    );
    gate.post("/api/integrations/webhook/x/")
        .bearer_auth("provider-key")
        .send()
        .await
        .unwrap();
    assert_eq!(
        upstream.last().header("authorization"),
        Some("Bearer provider-key")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_portal_cookie_counts_beside_a_stale_bearer_and_only_once() {
    let upstream = Upstream::start().await;
    let gate = gate(&upstream, &[]).await;
    let portal = gate.issuer.portal(|_| {});
    let get = |cookie: String| {
        gate.get("/api/reports/patient-download/x/")
            .header("Cookie", cookie)
    };
    let answer = get(format!("a=b; tabib_portal={portal}"))
        .bearer_auth("ey.ey.x")
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(upstream.last().header("authorization"), None);
    assert!(
        upstream
            .last()
            .header("cookie")
            .unwrap()
            .contains("tabib_portal=")
    );
    let twice = get(format!("tabib_portal={portal}; tabib_portal={portal}"))
        .send()
        .await
        .unwrap();
    assert_eq!(twice.status(), 401);
    assert_eq!(
        get("tabib_portal=junk".into())
            .send()
            .await
            .unwrap()
            .status(),
        401
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_word_jwt_is_written_as_bearer() {
    let upstream = Upstream::start().await;
    let gate = gate(&upstream, &[]).await;
    let token = gate.issuer.access(|_| {});
    let answer = gate
        .get("/api/invoices/")
        .header("Authorization", format!("JWT {token}"))
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(
        upstream.last().header("authorization"),
        Some(format!("Bearer {token}").as_str())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_session_is_refused_from_then_on() {
    let upstream = Upstream::start().await;
    let gate = gate(&upstream, &[]).await;
    let session = uuid::Uuid::now_v7();
    let token = gate.issuer.access(|claims| claims.sid = session);
    let ask = || gate.get("/api/auth/me/").bearer_auth(&token);
    assert_eq!(ask().send().await.unwrap().status(), 200);
    let expires_at = chrono::Utc::now() + chrono::TimeDelta::hours(1);
    gate.shared()
        .verifier
        .revocations()
        .apply(&common_types::internal::auth::Revocation {
            kind: common_types::events::auth::RevocationKind::Session,
            id: session,
            not_before: chrono::Utc::now().timestamp() + 10,
            expires_at,
        });
    assert_eq!(ask().send().await.unwrap().status(), 401);
}
