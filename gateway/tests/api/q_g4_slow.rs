//! Q-G4: slow clients cost nothing. The times are shortened by settings; the rules are the same.

use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::harness::{Gate, Upstream, eventually, gate, read_all, status_of};

const QUICK: [(&str, &str); 3] = [
    ("CLIENTS__HEADER_TIMEOUT_MS", "600"),
    ("CLIENTS__RATE_GRACE_MS", "500"),
    ("CLIENTS__WRITE_STALL_MS", "1500"),
];

async fn open(gate: &Gate, bytes: &str) -> TcpStream {
    let mut stream = TcpStream::connect(gate.address).await.unwrap();
    stream.write_all(bytes.as_bytes()).await.unwrap();
    stream
}

#[tokio::test(flavor = "multi_thread")]
async fn q_g4_a_head_that_does_not_come_is_given_up() {
    let upstream = Upstream::start().await;
    let gate = gate(&upstream, &QUICK).await;
    for bytes in [
        "GET /api/auth/otp/ HT",
        "GET /api/auth/otp/ HTTP/1.1\r\nHost: t\r\nX: ",
        "P",
    ] {
        let started = Instant::now();
        let mut stream = open(&gate, bytes).await;
        let answer = read_all(&mut stream, Duration::from_secs(5)).await;
        assert!(answer.is_empty() || status_of(&answer) == 408, "{answer}");
        assert!(
            started.elapsed() < Duration::from_secs(4),
            "{:?}",
            started.elapsed()
        );
    }
    assert_eq!(upstream.count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn q_g4_a_body_that_stalls_or_drips_is_given_up_and_the_service_freed() {
    let upstream = Upstream::start().await;
    let gate = gate(&upstream, &QUICK).await;
    for head in ["Content-Length: 1000", "Transfer-Encoding: chunked"] {
        let request = format!("POST /api/auth/otp/x/ HTTP/1.1\r\nHost: t\r\n{head}\r\n\r\n");
        let started = Instant::now();
        let mut stream = open(&gate, &request).await;
        let answer = read_all(&mut stream, Duration::from_secs(8)).await;
        assert_eq!(status_of(&answer), 408, "{answer}");
        assert!(
            answer.to_lowercase().contains("connection: close"),
            "{answer}"
        );
        assert!(
            started.elapsed() < Duration::from_secs(5),
            "{:?}",
            started.elapsed()
        );
    }
    // One byte every 100 ms never stalls, yet stays below the rate.
    let request = "POST /api/auth/otp/x/ HTTP/1.1\r\nHost: t\r\nContent-Length: 1000\r\n\r\n";
    let (mut reader, mut writer) = open(&gate, request).await.into_split();
    let drip = tokio::spawn(async move {
        while writer.write_all(b"x").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    });
    let mut answer = vec![0; 4096];
    let count = tokio::time::timeout(Duration::from_secs(6), reader.read(&mut answer))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(status_of(&String::from_utf8_lossy(&answer[..count])), 408);
    drip.abort();
    assert_eq!(upstream.count(), 0);
    eventually(|| {
        upstream
            .log
            .running
            .load(std::sync::atomic::Ordering::SeqCst)
            == 0
    })
    .await;
    // A client's slowness is no fault of the service: it is still called.
    assert_eq!(
        gate.post("/api/auth/otp/x/")
            .body("fine")
            .send()
            .await
            .unwrap()
            .status(),
        200
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn q_g4_a_client_that_reads_nothing_is_cut_off() {
    let upstream = Upstream::start().await;
    let gate = gate(&upstream, &QUICK).await;
    let stream = open(
        &gate,
        "GET /api/auth/otp/big/200000000/ HTTP/1.1\r\nHost: t\r\n\r\n",
    )
    .await;
    eventually(|| upstream.count() == 1).await;
    let shared = gate.shared();
    let busy = || {
        shared
            .upstreams
            .get(0)
            .in_flight
            .load(std::sync::atomic::Ordering::SeqCst)
    };
    assert_eq!(busy(), 1);
    // The kernel gives up after the stall; then the call's place is free again.
    eventually(|| busy() == 0).await;
    drop(stream);
}

#[tokio::test(flavor = "multi_thread")]
async fn q_g4_the_second_head_of_a_connection_has_its_time_too() {
    let upstream = Upstream::start().await;
    let gate = gate(&upstream, &QUICK).await;
    let request = "GET /api/auth/otp/x/ HTTP/1.1\r\nHost: t\r\n\r\n";
    let mut stream = open(&gate, request).await;
    let first = read_all(&mut stream, Duration::from_millis(300)).await;
    assert_eq!(status_of(&first), 200);
    let started = Instant::now();
    stream
        .write_all(b"GET /api/auth/otp/x/ HTTP/1.1\r\nHost:")
        .await
        .unwrap();
    read_all(&mut stream, Duration::from_secs(5)).await;
    assert!(
        started.elapsed() < Duration::from_secs(4),
        "{:?}",
        started.elapsed()
    );
    assert_eq!(upstream.count(), 1);
}

/// The 99th percentile of calls made one after another.
async fn p99(gate: &Gate) -> Duration {
    let mut took = Vec::new();
    for _ in 0..200 {
        let started = Instant::now();
        let answer = gate
            .post("/api/auth/otp/x/")
            .body("hello")
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 200);
        took.push(started.elapsed());
    }
    took.sort_unstable();
    took[197]
}

#[tokio::test(flavor = "multi_thread")]
async fn q_g4_two_thousand_slow_clients_do_not_slow_the_others() {
    gateway::server::raise_open_files();
    let upstream = Upstream::start().await;
    let patient = [
        ("CLIENTS__HEADER_TIMEOUT_MS", "60000"),
        ("CLIENTS__RATE_GRACE_MS", "60000"),
    ];
    let gate = gate(&upstream, &patient).await;
    let alone = p99(&gate).await;
    let mut slow = Vec::new();
    for index in 0..2000 {
        let bytes = match index % 10 {
            0..5 => "GET /api/auth/otp/ HTTP/1.1\r\nHost: t\r\nX: ",
            5..9 => "POST /api/auth/otp/x/ HTTP/1.1\r\nHost: t\r\nContent-Length: 1000\r\n\r\nx",
            _ => "GET /api/auth/otp/big/100000000/ HTTP/1.1\r\nHost: t\r\n\r\n",
        };
        slow.push(open(&gate, bytes).await);
    }
    // The best of three: what a busy machine adds in one of them is not the gateway's.
    let mut beside = p99(&gate).await;
    for _ in 0..2 {
        beside = beside.min(p99(&gate).await);
    }
    // 800 dripping bodies take no place at the service; 200 readers do.
    let busy = gate
        .shared()
        .upstreams
        .get(0)
        .in_flight
        .load(std::sync::atomic::Ordering::SeqCst);
    assert!(busy <= 200, "{busy} places taken");
    // Twice the time alone, where that is more than the machine's own jitter.
    let most = (alone * 2).max(Duration::from_millis(250));
    assert!(beside <= most, "{alone:?} alone, {beside:?} beside them");
    drop(slow);
}

#[tokio::test(flavor = "multi_thread")]
async fn q_g4_an_idle_connection_is_kept_for_its_time_and_then_closed() {
    let upstream = Upstream::start().await;
    let gate = gate(&upstream, &[("CLIENTS__KEEP_ALIVE_SECONDS", "2")]).await;
    let opened = Instant::now();
    let request = "GET /api/auth/otp/x/ HTTP/1.1\r\nHost: t\r\n\r\n";
    let mut stream = open(&gate, request).await;
    // Until the gateway closes, which must not be at once.
    let answer = read_all(&mut stream, Duration::from_secs(60)).await;
    assert_eq!(status_of(&answer), 200);
    let took = opened.elapsed();
    assert!(took >= Duration::from_secs(1), "closed after {took:?}");
    assert!(took < Duration::from_secs(60), "it stays open");
}
