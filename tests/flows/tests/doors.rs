//! Each service alone, on its own port, past the gateway: it is exactly as safe.
#![allow(clippy::unwrap_used)]

use flows::{Stage, forge};
use launcher::demo::http::Http;
use launcher::demo::socket::Socket;

/// One protected route of every service, and one internal route.
const DOORS: [(&str, &str, &str); 7] = [
    ("auth-otp", "/api/auth/me/", "/internal/revocations?since=0"),
    ("patient-access", "/crazyminer/patient/data/", ""),
    ("payments", "/api/v1/wallet/", ""),
    ("portal", "/api/patients/", "/internal/revocations?since=0"),
    ("content", "/api/contents/", ""),
    (
        "integrations",
        "/api/integrations/providers/",
        "/internal/credentials/sandbox/",
    ),
    ("chat", "/api/chat/chatrooms/", ""),
];

/// Issue 2: each service alone refuses a request without or with a forged token on its own port.
#[tokio::test(flavor = "multi_thread")]
async fn q_a4_every_service_alone_refuses_missing_and_forged_tokens() {
    let stage = Stage::shared().await.unwrap();
    let token = stage.token("doctor").await.unwrap();
    let forged = [
        forge::foreign_signature(&token).unwrap(),
        forge::changed_payload(&token).unwrap(),
        forge::without_signature(&token).unwrap(),
        forge::expired(&stage, &token).await.unwrap(),
        "nonsense".to_owned(),
    ];
    for (service, route, internal) in DOORS {
        let http = Http::new(&stage.own_port(service)).unwrap();
        let open = http.get(route).bearer(&token).send().await.unwrap();
        assert_ne!(
            open.status, 404,
            "{service} does not know {route}, so refusing proves nothing"
        );
        for route in [route, internal].iter().filter(|it| !it.is_empty()) {
            let none = http.get(route).send().await.unwrap();
            assert_eq!(
                none.status,
                401,
                "{service}{route} without a token: {}",
                none.short()
            );
            for token in &forged {
                let answer = http.get(route).bearer(token).send().await.unwrap();
                assert_eq!(answer.status, 401, "{service}{route}: {}", answer.short());
            }
        }
        if !internal.is_empty() {
            // A person's true token is not a service's.
            let person = http.get(internal).bearer(&token).send().await.unwrap();
            assert!(
                [401, 403].contains(&person.status),
                "{service}{internal}: {}",
                person.short()
            );
        }
    }
}

/// The gateway routes no internal path, in no spelling.
#[tokio::test(flavor = "multi_thread")]
async fn internal_routes_are_not_behind_the_gateway() {
    let stage = Stage::shared().await.unwrap();
    let token = stage.token("admin").await.unwrap();
    for path in [
        "/internal/revocations?since=0",
        "/internal/messages/",
        "/api/../internal/messages/",
        "/api/%2e%2e/internal/messages/",
        "//internal/messages/",
    ] {
        let answer = stage
            .story
            .http
            .get(path)
            .bearer(&token)
            .send_once()
            .await
            .unwrap();
        assert!(
            [400, 404].contains(&answer.status),
            "{path} answered {}",
            answer.status
        );
    }
}

/// A header that only the gateway may set changes nothing when a client sends it.
#[tokio::test(flavor = "multi_thread")]
async fn headers_of_the_platform_are_not_believed_from_outside() {
    let stage = Stage::shared().await.unwrap();
    let answer = stage
        .story
        .http
        .get("/api/auth/me/")
        .header("X-Tabib-User", "1")
        .header("X-Tabib-Client-Ip", "10.0.0.1;1;00")
        .header("X-User-Role", "superuser")
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status, 401);
}

/// A chat socket is refused without membership and with a forged token.
#[tokio::test(flavor = "multi_thread")]
async fn h02_a_socket_needs_a_true_token_and_membership() {
    let stage = Stage::shared().await.unwrap();
    let token = stage.token("accountant").await.unwrap();
    let forged = forge::foreign_signature(&token).unwrap();
    for (who, token) in [
        ("a stranger", token.as_str()),
        ("a forger", &forged),
        ("nobody", ""),
    ] {
        let status = Socket::status(&stage.story.http, 999_999, token)
            .await
            .unwrap();
        assert!([401, 403, 404].contains(&status), "{who} got {status}");
    }
}
