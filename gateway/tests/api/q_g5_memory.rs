//! Q-G5 and streaming, measured on the real program in a process of its own.

use std::io::Write;
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};

use crate::harness::Upstream;

const TABLE: &str = r#"
[defaults]
callers = ["public"]
body_bytes = 104857600
timeout_ms = 120000
body_timeout_ms = 0
retry = "safe"
limits = []
language = "en"
shape = "drf"
[limits]
[[route]]
prefix = "/api/large/"
service = "portal"
[[route]]
prefix = "/ws/x/"
service = "chat"
websocket = true
"#;

struct Program {
    child: Child,
    address: SocketAddr,
    _table: tempfile::NamedTempFile,
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Program {
    async fn start(upstream: &Upstream) -> Self {
        Self::with_chat(upstream, "").await
    }

    async fn with_chat(upstream: &Upstream, chat: &str) -> Self {
        let mut table = tempfile::NamedTempFile::new().unwrap();
        table.write_all(TABLE.as_bytes()).unwrap();
        let port = std::net::TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let peer = format!("http://{}", upstream.address);
        let child = Command::new(env!("CARGO_BIN_EXE_tabib-gateway"))
            .arg("serve")
            .env_clear()
            .env("TABIB_ENVIRONMENT", "test")
            .env("GATEWAY__SERVER__PORT", port.to_string())
            .env("GATEWAY__ROUTES__FILE", table.path())
            .env("GATEWAY__PEERS__PORTAL", &peer)
            .env("GATEWAY__PEERS__CHAT", chat)
            // A machine that is busy with other tests is no slow client.
            .env("GATEWAY__CLIENTS__RATE_GRACE_MS", "120000")
            .env("GATEWAY__REDIS__URL", "redis://127.0.0.1:1/0")
            .env("GATEWAY__AUTH__CLIENT_SECRET", "secret")
            .env("GATEWAY__AUTH__CLIENT_IP_KEY", "key")
            .env("GATEWAY__AUTH__JWKS_URL", format!("{peer}/jwks"))
            .env("GATEWAY__LIMITS__ENABLED", "false")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let deadline = Instant::now() + Duration::from_secs(20);
        while tokio::net::TcpStream::connect(address).await.is_err() {
            assert!(Instant::now() < deadline, "the program does not answer");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Self {
            child,
            address,
            _table: table,
        }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// The highest resident memory so far, in KiB.
    fn peak_kib(&self) -> u64 {
        self.kib("VmHWM:")
    }

    fn kib(&self, what: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with(what)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }
}

fn stream(bytes: usize) -> reqwest::Body {
    let chunk = Bytes::from(vec![b'x'; 64 * 1024]);
    let chunks = bytes / chunk.len();
    reqwest::Body::wrap_stream(futures_util::stream::iter(
        (0..chunks).map(move |_| Ok::<_, std::io::Error>(chunk.clone())),
    ))
}

#[tokio::test(flavor = "multi_thread")]
async fn q_g5_fifty_megabytes_flow_both_ways_without_memory() {
    let upstream = Upstream::start().await;
    let program = Program::start(&upstream).await;
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    assert_eq!(
        client
            .get(program.url("/api/large/x/"))
            .send()
            .await
            .unwrap()
            .status(),
        200
    );
    let before = program.peak_kib();
    let up = client
        .post(program.url("/api/large/x/"))
        .body(stream(50 * 1024 * 1024))
        .send()
        .await
        .unwrap();
    assert_eq!(up.status(), 200);
    assert_eq!(upstream.last().body, 50 * 1024 * 1024);
    let down = client
        .get(program.url("/api/large/big/52428800/"))
        .send()
        .await
        .unwrap();
    assert_eq!(down.headers()["content-length"], "52428800");
    let mut received = 0;
    let mut chunks = down.bytes_stream();
    while let Some(chunk) = chunks.next().await {
        received += chunk.unwrap().len();
    }
    assert_eq!(received, 52_428_800);
    let after = program.peak_kib();
    assert!(
        after < before + 12 * 1024,
        "{before} KiB before, {after} KiB at most"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn q_g5_a_hundred_large_bodies_at_once_cost_bounded_memory() {
    let upstream = Upstream::start().await;
    let program = Program::start(&upstream).await;
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    assert_eq!(
        client
            .get(program.url("/api/large/x/"))
            .send()
            .await
            .unwrap()
            .status(),
        200
    );
    let before = program.peak_kib();
    let statuses: Vec<u16> = futures_util::stream::iter(0..100)
        .map(|_| {
            client
                .post(program.url("/api/large/x/"))
                .body(stream(10 * 1024 * 1024))
                .send()
        })
        .buffer_unordered(100)
        .map(|answer| answer.unwrap().status().as_u16())
        .collect()
        .await;
    assert!(statuses.iter().all(|status| *status == 200), "{statuses:?}");
    let after = program.peak_kib();
    // 1,000 MB went through.
    assert!(
        after < before + 32 * 1024,
        "{before} KiB before, {after} KiB at most"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_websocket_costs_at_most_fifteen_kib() {
    const SOCKETS: u64 = 400;
    gateway::server::raise_open_files();
    let upstream = Upstream::start().await;
    let (chat, _) = crate::websockets::echo().await;
    let program = Program::with_chat(&upstream, &chat).await;
    let mut open = Vec::new();
    let mut before = 0;
    // The first ones pay for what all share.
    for index in 0..SOCKETS + 20 {
        if index == 20 {
            before = program.kib("VmRSS:");
        }
        let url = format!("ws://{}/ws/x/", program.address);
        let (mut socket, _) = tokio_tungstenite::connect_async(url).await.unwrap();
        socket.send("hi".into()).await.unwrap();
        assert_eq!(
            socket.next().await.unwrap().unwrap().into_text().unwrap(),
            "hi"
        );
        open.push(socket);
    }
    let each = (program.kib("VmRSS:") - before) / SOCKETS;
    assert!(each <= 15, "{each} KiB");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_program_stops_on_sigterm_and_refuses_wrong_settings() {
    let upstream = Upstream::start().await;
    let mut program = Program::start(&upstream).await;
    let pid = program.child.id().to_string();
    assert!(
        Command::new("kill")
            .args(["-TERM", &pid])
            .status()
            .unwrap()
            .success()
    );
    let deadline = Instant::now() + Duration::from_secs(15);
    let status = loop {
        if let Some(status) = program.child.try_wait().unwrap() {
            break status;
        }
        assert!(Instant::now() < deadline, "the program does not stop");
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    assert!(status.success(), "{status}");
    let check = |key: &str, value: &str| {
        Command::new(env!("CARGO_BIN_EXE_tabib-gateway"))
            .arg("check-config")
            .env_clear()
            .env("GATEWAY__REDIS__URL", "redis://127.0.0.1:1/0")
            .env("GATEWAY__AUTH__CLIENT_SECRET", "secret")
            .env("GATEWAY__AUTH__CLIENT_IP_KEY", "key")
            .env(key, value)
            .output()
            .unwrap()
    };
    assert!(check("X", "y").status.success());
    for (key, value, named) in [
        ("GATEWAY__SERVER__PROT", "1", "prot"),
        ("GATEWAY__PEERS__PORTAL", "ftp://x", "ftp://x"),
        (
            "GATEWAY__CORS__ORIGINS",
            "https://a.test/path",
            "cors.origins",
        ),
        ("GATEWAY__ROUTES__FILE", "/nonexistent", "routes.file"),
        (
            "GATEWAY__AUTH__CLIENT_SECRET",
            "",
            "GATEWAY__AUTH__CLIENT_SECRET",
        ),
    ] {
        let output = check(key, value);
        assert_eq!(output.status.code(), Some(2), "{key}");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(said.contains(named), "{key}: {said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_alerts_need_is_told_at_metrics() {
    let upstream = Upstream::start().await;
    let program = Program::start(&upstream).await;
    let deadline = Instant::now() + Duration::from_secs(30);
    let address = upstream.address;
    let wanted = [
        format!("gateway_instance_ready{{service=\"portal\",instance=\"{address}\"}} 1"),
        format!("gateway_breaker_open{{service=\"portal\",instance=\"{address}\"}} 0"),
        "gateway_in_flight{service=\"portal\"} 0".to_owned(),
    ];
    loop {
        let text = reqwest::get(program.url("/metrics")).await.unwrap();
        let text = text.text().await.unwrap();
        if wanted.iter().all(|line| text.contains(line)) {
            return;
        }
        assert!(Instant::now() < deadline, "{text}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
