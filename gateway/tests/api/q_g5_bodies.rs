//! Q-G5: bodies are capped per route, never buffered, never unpacked.

use std::time::{Duration, Instant};

use crate::harness::{Upstream, gate, status_of};
use bytes::Bytes;

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
