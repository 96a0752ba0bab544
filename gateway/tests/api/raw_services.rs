//! Services that speak HTTP in their own way: what the gateway takes, what it refuses, and that no byte of one answer
//! becomes part of the next.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::harness::{Gate, gate_with};

/// A service that reads heads and answers each with these bytes, then closes when it is told to.
struct Service {
    url: String,
    connections: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Drop for Service {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Reads up to the end of a head; `false` at the end of the connection.
async fn read_head(stream: &mut TcpStream) -> bool {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return false,
        }
    }
    true
}

async fn service(answer: &'static [u8], closes: bool) -> Service {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let connections = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&connections);
    let task = tokio::spawn(async move {
        let mut open = tokio::task::JoinSet::new();
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            counted.fetch_add(1, Ordering::SeqCst);
            open.spawn(async move {
                while read_head(&mut stream).await {
                    if stream.write_all(answer).await.is_err() || closes {
                        return;
                    }
                }
            });
        }
    });
    Service {
        url,
        connections,
        task,
    }
}

async fn before(service: &Service) -> Gate {
    let gate = gate_with(
        std::slice::from_ref(&service.url),
        &[
            ("UPSTREAM__PROBE_INTERVAL_MS", "600000"),
            ("UPSTREAM__RETRIES", "0"),
        ],
    )
    .await;
    // The first probe takes a connection of its own.
    crate::harness::eventually(|| service.connections.load(Ordering::SeqCst) > 0).await;
    gate
}

async fn get(gate: &Gate) -> (u16, Option<String>) {
    let answer = gate.get("/api/auth/otp/x/").send().await.unwrap();
    (answer.status().as_u16(), answer.text().await.ok())
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_in_every_right_framing_arrive_whole() {
    for (answer, closes, body) in [
        (&b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"[..], false, "hello"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3;x=y\r\nllo\r\n0\r\nTrailer: z\r\n\r\n", false, "hello"),
        (b"HTTP/1.1 200 OK\r\n\r\nhello", true, "hello"),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello", true, "hello"),
        (b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", false, "hello"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", false, ""),
    ] {
        let service = service(answer, closes).await;
        let gate = before(&service).await;
        for _ in 0..3 {
            assert_eq!(get(&gate).await, (200, Some(body.to_owned())), "{answer:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_that_two_readers_could_read_differently_are_502() {
    for answer in [
        &b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!"[..],
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: other\r\nConnection: upgrade\r\n\r\n",
        b"SSH-2.0-OpenSSH\r\n\r\n",
    ] {
        let service = service(answer, false).await;
        let gate = before(&service).await;
        let shown = String::from_utf8_lossy(answer);
        assert_eq!(get(&gate).await.0, 502, "{shown}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_behind_an_answer_end_its_connection_and_reach_no_other_call() {
    let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil";
    let service = service(answer, false).await;
    let gate = before(&service).await;
    let earlier = service.connections.load(Ordering::SeqCst);
    for _ in 0..5 {
        assert_eq!(get(&gate).await, (200, Some("ok".to_owned())));
    }
    let fresh = service.connections.load(Ordering::SeqCst) - earlier;
    assert_eq!(fresh, 5, "none was used again");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_the_service_closed_meanwhile_is_replaced() {
    let service = service(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", true).await;
    let gate = before(&service).await;
    for _ in 0..10 {
        assert_eq!(get(&gate).await.0, 200);
        // Its end has to arrive: an answer that comes back over another connection says so.
        gate.get("/health/live").send().await.unwrap();
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_breaks_off_is_no_whole_answer() {
    let service = service(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel",
        true,
    )
    .await;
    let gate = before(&service).await;
    let noticed = match gate.get("/api/auth/otp/x/").send().await {
        Ok(answer) => answer.text().await.is_err(),
        Err(_) => true,
    };
    assert!(noticed, "the client takes half an answer for a whole one");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_that_comes_before_the_upload_is_through_reaches_the_client() {
    let service = service(
        b"HTTP/1.1 409 Conflict\r\nContent-Length: 4\r\n\r\nfull",
        false,
    )
    .await;
    let gate = before(&service).await;
    // The head announces more than is sent before the answer: 100 KiB, of which the service reads nothing.
    let mut stream = TcpStream::connect(gate.address).await.unwrap();
    let head = "POST /api/auth/otp/x/ HTTP/1.1\r\nHost: t\r\nContent-Length: 102400\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(&[b'x'; 20_000]).await.unwrap();
    let answer = crate::harness::read_all(&mut stream, std::time::Duration::from_secs(10)).await;
    assert!(answer.starts_with("HTTP/1.1 409"), "{answer}");
    assert!(answer.ends_with("full"), "{answer}");
}
