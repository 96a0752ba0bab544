//! Q-G2: a path that two programs could read in two ways is refused and never routed.

use futures_util::StreamExt;

use crate::harness::{Upstream, gate, status_of};

/// Pieces that make any path non-canonical.
const PIECES: [&str; 44] = [
    "..",
    ".",
    "...",
    "x.",
    "%2e",
    "%2E",
    "%2e%2e",
    ".%2e",
    "%2e.",
    "%252e",
    "%252e%252e",
    "%252f",
    "%25%32%65",
    "%2f",
    "%2F",
    "a%2fb",
    "a%2Fb",
    "%5c",
    "%5C",
    "a%5cb",
    "..%2f",
    "..%5c",
    "%2e%2e%2f",
    "\\",
    "a\\b",
    "..\\",
    ";",
    "a;b",
    "a;jsessionid=1",
    "..;",
    "%3b",
    "%3B",
    "%00",
    "a%00b",
    "%0a",
    "%0d%0a",
    "%09",
    "%7f",
    "%",
    "%2",
    "%zz",
    "%61uth",
    "%ff",
    "%c0%ae",
];

fn paths() -> Vec<String> {
    let mut paths = Vec::new();
    for piece in PIECES {
        paths.push(format!("/{piece}"));
        paths.push(format!("/api/auth/otp/{piece}"));
        paths.push(format!("/api/auth/otp/{piece}/internal/x"));
        paths.push(format!("/{piece}/api/auth/otp/request/"));
        paths.push(format!("/api/{piece}/auth/otp/"));
    }
    for odd in [
        "//api/auth/otp/",
        "/api//auth/otp/",
        "/api/auth/otp//",
        "/api/auth/otp//internal",
        "///",
        "//",
        "/api/auth/otp///x",
        "http://evil/api/auth/otp/",
        "https://127.0.0.1/api/auth/otp/",
        "http:/api/auth/otp/",
        "evil:80",
        "*",
        "api/auth/otp/",
        "/api/auth/otp/\u{7f}",
        "/api/auth/otp/<x>",
        "/api/auth/otp/{x}",
        "/api/auth/otp/\"x\"",
        "/api/auth/otp/x|y",
        "/api/auth/otp/^x",
        "/api/auth/otp/`x`",
        "/api/auth/otp/[x]",
    ] {
        paths.push(odd.to_owned());
    }
    paths.push(format!("/api/auth/otp/{}", "a".repeat(8192)));
    paths.push(format!("/api/auth/otp/?{}", "a".repeat(9000)));
    // Canonical, but no route: another case, the inside, a neighbour of a prefix.
    for unrouted in [
        "/API/auth/otp/",
        "/api/AUTH/otp/",
        "/internal/revocations",
        "/Internal/x",
        "/api/internal/x",
        "/api/authx/",
    ] {
        paths.push(unrouted.to_owned());
    }
    paths
}

#[tokio::test(flavor = "multi_thread")]
async fn q_g2_non_canonical_paths_are_never_routed() {
    let upstream = Upstream::start().await;
    let gate = gate(&upstream, &[]).await;
    let paths = paths();
    assert!(paths.len() >= 200, "{}", paths.len());
    let mut answers = futures_util::stream::iter(paths)
        .map(|path| {
            let gate = &gate;
            async move {
                let request = format!("POST {path} HTTP/1.1\r\nHost: t\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
                (gate.raw(request.as_bytes()).await, path)
            }
        })
        .buffer_unordered(16);
    while let Some((answer, path)) = answers.next().await {
        let status = status_of(&answer);
        assert!(matches!(status, 400 | 404 | 414), "{path}: {answer}");
    }
    assert_eq!(upstream.count(), 0, "{:?}", upstream.seen());
}

#[tokio::test(flavor = "multi_thread")]
async fn q_g2_both_spellings_of_a_slash_and_an_encoded_plus_pass_unchanged() {
    let upstream = Upstream::start().await;
    let gate = gate(&upstream, &[]).await;
    for path in [
        "/api/auth/otp/request/",
        "/api/auth/otp/request",
        "/api/auth/otp/request/?a=%2F..%2f&b=1",
        "/api/auth/otp/%2B989120000000/",
        "/api/auth/otp/+98912/",
        "/api/auth/otp/%D9%86%D8%A7%D9%85/",
    ] {
        let answer = gate.post(path).send().await.unwrap();
        assert_eq!(answer.status(), 200, "{path}");
        assert_eq!(upstream.last().target, path);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn q_g2_refusals_are_problem_documents() {
    let upstream = Upstream::start().await;
    let gate = gate(&upstream, &[]).await;
    let answer = gate
        .raw(b"GET /api/auth/..;/x HTTP/1.1\r\nHost: t\r\n\r\n")
        .await;
    assert!(answer.contains("application/problem+json"), "{answer}");
    assert!(
        answer.contains("\"code\":\"request.path_not_canonical\""),
        "{answer}"
    );
    assert!(
        answer.to_lowercase().contains("connection: close"),
        "{answer}"
    );
    let unknown = gate.get("/api/nothing/").send().await.unwrap();
    assert_eq!(unknown.status(), 404);
    let body: serde_json::Value = unknown.json().await.unwrap();
    assert_eq!(
        (&body["detail"], &body["status"]),
        (&"Not found.".into(), &404.into())
    );
}
