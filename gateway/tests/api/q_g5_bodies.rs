//! Q-G5: bodies are capped per route, never buffered, never unpacked.

use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::StreamExt;
use gateway::routes::{CallerKind, Found};
use serde_json::Value;

use crate::harness::{Upstream, gate, status_of};

fn stream(bytes: usize) -> reqwest::Body {
    let chunk = Bytes::from(vec![b'x'; 64 * 1024]);
    let chunks = bytes / chunk.len();
    reqwest::Body::wrap_stream(futures_util::stream::iter(
        (0..chunks).map(move |_| Ok::<_, std::io::Error>(chunk.clone())),
    ))
}

#[tokio::test(flavor = "multi_thread")]
async fn q_g5_a_body_that_announces_too_much_is_refused_at_once() {
    let upstream = Upstream::start().await;
    let gate = gate(&upstream, &[]).await;
    let started = Instant::now();
    let answer = gate
        .raw(b"POST /api/auth/otp/x/ HTTP/1.1\r\nHost: t\r\nContent-Type: application/json\r\nContent-Length: 262145\r\n\r\n{")
        .await;
    assert_eq!(status_of(&answer), 413, "{answer}");
    assert!(
        answer.contains("\"code\":\"request.body_too_large\""),
        "{answer}"
    );
    assert!(started.elapsed() < Duration::from_secs(3));
    assert_eq!(upstream.count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn q_g5_a_chunked_body_is_cut_at_the_cap() {
    let upstream = Upstream::start().await;
    let gate = gate(&upstream, &[]).await;
    let fits = gate
        .post("/api/auth/otp/x/")
        .body(stream(256 * 1024))
        .send()
        .await
        .unwrap();
    assert_eq!(fits.status(), 200);
    assert_eq!(upstream.last().body, 256 * 1024);
    let mut request =
        b"POST /api/auth/otp/x/ HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    for _ in 0..5 {
        request.extend_from_slice(b"10000\r\n");
        request.extend(std::iter::repeat_n(b'x', 65536));
        request.extend_from_slice(b"\r\n");
    }
    let answer = gate.raw(&request).await;
    assert_eq!(status_of(&answer), 413, "{answer}");
    assert_eq!(
        upstream.count(),
        1,
        "the service must not see a cut body as a whole one"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn q_g5_compressed_bodies_are_refused_unseen() {
    let upstream = Upstream::start().await;
    let gate = gate(&upstream, &[]).await;
    for encoding in [
        "gzip",
        "br",
        "zstd",
        "deflate",
        "x-gzip",
        "gzip, identity",
        "GZIP",
        "compress",
        "what",
    ] {
        let answer = gate
            .post("/api/auth/otp/x/")
            .header("Content-Encoding", encoding)
            .body("bomb")
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 415, "{encoding}");
        let body: serde_json::Value = answer.json().await.unwrap();
        assert_eq!(body["code"], "request.content_encoding");
    }
    assert_eq!(upstream.count(), 0);
    let plain = gate
        .post("/api/auth/otp/x/")
        .header("Content-Encoding", "identity")
        .body("{}")
        .send()
        .await
        .unwrap();
    assert_eq!(plain.status(), 200);
}

/// Every route has a cap, and one byte more than it is refused before the service hears of the call.
#[tokio::test(flavor = "multi_thread")]
async fn q_g5_no_route_takes_more_than_its_cap() {
    let upstream = Upstream::start().await;
    let gate = gate(&upstream, &[]).await;
    let table = gate.shared().table.load_full();
    let (user, patient) = (gate.issuer.access(|_| {}), gate.issuer.portal(|_| {}));
    let mut calls = Vec::new();
    for route in table.routes() {
        let parts = route.prefix.split('/');
        let path: Vec<&str> = parts
            .map(|part| if part.starts_with('{') { "1" } else { part })
            .collect();
        let path = path.join("/");
        for method in ["POST", "PUT", "PATCH", "DELETE"] {
            if let Found::Route(found) = table.find(&path, method)
                && found.index == route.index
                && !found.websocket
            {
                let token = if found.callers.contains(&CallerKind::Portal) {
                    &patient
                } else if found.callers.contains(&CallerKind::ApiKey) {
                    "a-partners-key"
                } else {
                    &user
                };
                let head = format!(
                    "{method} {path} HTTP/1.1\r\nHost: t\r\nAuthorization: Bearer {token}\r\nContent-Length: {}\r\n\r\n{{",
                    found.body_bytes + 1
                );
                calls.push((format!("{method} {path}"), found.body_bytes, head));
            }
        }
    }
    assert!(calls.len() >= 100, "{}", calls.len());
    let mut answers = futures_util::stream::iter(calls)
        .map(|(name, most, head)| {
            let gate = &gate;
            async move {
                (
                    name,
                    most,
                    status_of(&gate.raw_to_end(head.as_bytes()).await),
                )
            }
        })
        .buffer_unordered(16);
    while let Some((name, most, status)) = answers.next().await {
        assert_eq!(status, 413, "{name} above {most} bytes");
        // JSON 256 KiB; files what their contracts say, chat's most.
        assert!(most <= 201 * 1024 * 1024, "{name}: {most}");
    }
    assert_eq!(upstream.count(), 0);
}

/// A clock that panics while it is told to.
#[derive(Default)]
struct Broken(std::sync::atomic::AtomicBool);

impl common_types::clock::Clock for Broken {
    fn now(&self) -> chrono::DateTime<chrono::Utc> {
        let broken = self.0.load(std::sync::atomic::Ordering::SeqCst);
        assert!(!broken, "a defect");
        chrono::Utc::now()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn q_g5_a_panic_is_a_500_of_its_own_request_and_the_process_lives_on() {
    let upstream = Upstream::start().await;
    let clock = std::sync::Arc::new(Broken::default());
    let peers = [format!("http://{}", upstream.address)];
    let gate = crate::harness::gate_by(clock.clone(), &peers, &[]).await;
    let get = || gate.get("/api/auth/otp/x/").send();
    assert_eq!(get().await.unwrap().status(), 200);
    clock.0.store(true, std::sync::atomic::Ordering::SeqCst);
    // More than there are workers: none of them may be lost.
    for index in 0..20 {
        let answer = get().await.unwrap();
        assert_eq!(answer.status(), 500, "{index}");
        assert_eq!(answer.headers()["content-type"], "application/problem+json");
        let id = answer.headers()["x-request-id"].clone();
        let body: Value = answer.json().await.unwrap();
        assert_eq!(body["code"], "gateway.internal");
        assert_eq!(body["request_id"], id.to_str().unwrap());
        let text = body.to_string();
        assert!(!text.contains("defect") && !text.contains(".rs"), "{text}");
    }
    assert_eq!(upstream.count(), 1, "nothing went on");
    clock.0.store(false, std::sync::atomic::Ordering::SeqCst);
    for _ in 0..20 {
        assert_eq!(get().await.unwrap().status(), 200);
    }
    let service = gate.shared().upstreams.get(0);
    let busy = || service.in_flight.load(std::sync::atomic::Ordering::SeqCst);
    crate::harness::eventually(|| busy() == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn q_g5_headers_beyond_their_cap_are_refused_and_reach_no_service() {
    let upstream = Upstream::start().await;
    let gate = gate(&upstream, &[]).await;
    let refused = async |headers: String| {
        let request = format!("GET /api/auth/otp/x/ HTTP/1.1\r\nHost: t\r\n{headers}\r\n");
        status_of(&gate.raw_to_end(request.as_bytes()).await)
    };
    assert_eq!(refused("X-Many: y\r\n".repeat(200)).await, 431);
    // A single one may also end the connection as misplaced bytes do, before the parser has seen all of it.
    let long = refused(format!("X-Long: {}\r\n", "y".repeat(200_000))).await;
    assert!(matches!(long, 0 | 400 | 431), "{long}");
    assert_eq!(upstream.count(), 0);
}
