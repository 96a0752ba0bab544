use std::time::{Duration, Instant};

use serde_json::json;
use service_testing::TestService;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::fixture::Fixture;

fn address(service: &TestService<Fixture>) -> String {
    service.base.trim_start_matches("http://").to_owned()
}

/// Sends bytes and reads until the server closes; how long it took and the first line.
async fn exchange(service: &TestService<Fixture>, bytes: &[u8]) -> (Duration, String) {
    let started = Instant::now();
    let mut stream = TcpStream::connect(address(service)).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let mut answer = Vec::new();
    let _ = tokio::time::timeout(Duration::from_secs(20), stream.read_to_end(&mut answer)).await;
    let text = String::from_utf8_lossy(&answer);
    (
        started.elapsed(),
        text.lines().next().unwrap_or_default().to_owned(),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn q_g4_a_stalled_body_is_ended() {
    let service = TestService::<Fixture>::start().await;
    let head = "POST /impatient HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{";
    let (took, line) = exchange(&service, head.as_bytes()).await;
    assert!(line.contains("408"), "{line}");
    assert!(took < Duration::from_secs(5), "{took:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn q_g4_a_dripping_body_is_ended() {
    let service = TestService::<Fixture>::start().await;
    let mut stream = TcpStream::connect(address(&service)).await.unwrap();
    let head = "POST /impatient HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 5000\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    let started = Instant::now();
    let mut seen = [0_u8; 64];
    let answered = loop {
        let _ = stream.write_all(b" ").await;
        tokio::select! {
            read = stream.read(&mut seen) => break read.unwrap_or(0),
            () = tokio::time::sleep(Duration::from_millis(100)) => {}
        }
        assert!(started.elapsed() < Duration::from_secs(6), "still open");
    };
    assert!(String::from_utf8_lossy(&seen[..answered]).contains("408"));
}

#[tokio::test(flavor = "multi_thread")]
async fn q_g4_headers_that_do_not_come_are_ended() {
    let service = TestService::<Fixture>::start().await;
    let (took, _) = exchange(&service, b"GET /number/1 HTTP/1.1\r\nHost: x\r\n").await;
    assert!(took < Duration::from_secs(8), "{took:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn q_g5_a_large_body_is_refused_before_it_is_read() {
    let service = TestService::<Fixture>::start().await;
    let head = "POST /order HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 10000000\r\n\r\n";
    let mut stream = TcpStream::connect(address(&service)).await.unwrap();
    let started = Instant::now();
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut seen = [0_u8; 64];
    let read = stream.read(&mut seen).await.unwrap();
    assert!(String::from_utf8_lossy(&seen[..read]).contains("413"));
    assert!(started.elapsed() < Duration::from_millis(500));

    let chunked = reqwest::Body::from(vec![b' '; 300 * 1024]);
    let refused = service
        .post("/order")
        .header("content-type", "application/json")
        .body(chunked)
        .send()
        .await;
    assert!(refused.is_err() || refused.unwrap().status() == 413);
    let fits = format!(
        "{{\"phone\":\"09121234567\",\"currency\":\"IRR\",\"quantity\":1,\"note\":\"{}\"}}",
        "x".repeat(250 * 1024)
    );
    let taken = service
        .post("/order")
        .header("content-type", "application/json")
        .body(fits)
        .send()
        .await
        .unwrap();
    assert_eq!(taken.status(), 201);
}

#[tokio::test(flavor = "multi_thread")]
async fn q_g5_other_content_types_and_encodings_are_415() {
    let service = TestService::<Fixture>::start().await;
    let refused = service
        .post("/order")
        .header("content-type", "text/plain")
        .body("{}")
        .send()
        .await
        .unwrap();
    assert_eq!(refused.status(), 415);
    let text = refused.text().await.unwrap();
    assert!(
        text.contains("Unsupported media type \\\"text/plain\\\" in request."),
        "{text}"
    );
    let packed = service
        .post("/order")
        .header("content-type", "application/json")
        .header("content-encoding", "gzip")
        .body(vec![0x1f, 0x8b, 0, 0])
        .send()
        .await
        .unwrap();
    assert_eq!(packed.status(), 415);
    let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    let refused = service
        .post("/order")
        .header("content-type", "application/json")
        .body(deep)
        .send()
        .await
        .unwrap();
    assert_eq!(refused.status(), 400);
    let nothing = service.post("/order").send().await.unwrap();
    assert_eq!(nothing.status(), 400, "an empty body is an empty object");
    let good = json!({"phone": "۰۹۱۲۱۲۳۴۵۶۷", "currency": "IRR", "quantity": 2});
    assert_eq!(
        service
            .post("/order")
            .json(&good)
            .send()
            .await
            .unwrap()
            .status(),
        201
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn q_g2_paths_with_two_readings_are_refused() {
    let service = TestService::<Fixture>::start().await;
    for path in [
        "/number/%2e%2e/number/7",
        "/number/../number/7",
        "/number/./7",
        "/%6eumber/%2E/7",
    ] {
        let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        let (_, line) = exchange(&service, request.as_bytes()).await;
        assert!(line.contains("400"), "{path}: {line}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn q_g4_an_upload_that_drips_is_ended_and_a_steady_one_is_not() {
    let service = TestService::<Fixture>::start().await;
    let head =
        "POST /upload HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\nConnection: close\r\n\r\n";
    let drip = async {
        let mut stream = TcpStream::connect(address(&service)).await.unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        let started = Instant::now();
        let mut seen = [0_u8; 64];
        loop {
            let _ = stream.write_all(b"x").await;
            tokio::select! {
                read = stream.read(&mut seen) => break (started.elapsed(), read.unwrap_or(0)),
                () = tokio::time::sleep(Duration::from_millis(200)) => {}
            }
            assert!(started.elapsed() < Duration::from_secs(10), "still open");
        }
    };
    let steady = async {
        let mut stream = TcpStream::connect(address(&service)).await.unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        for _ in 0..40 {
            stream.write_all(&[b'x'; 2500]).await.unwrap();
            tokio::time::sleep(Duration::from_millis(180)).await;
        }
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    };
    let ((took, _), answer) = tokio::join!(drip, steady);
    assert!(took >= Duration::from_secs(4), "{took:?}");
    assert!(
        answer.starts_with("HTTP/1.1 200") && answer.ends_with("100000"),
        "{answer}"
    );
}
