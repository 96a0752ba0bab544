//! What flows over a joined WebSocket, byte for byte, and how it ends.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::{WebSocketStream, accept_async};

use crate::harness::{Upstream, eventually, gate, gate_with, read_all, status_of};
use crate::websockets::{connect, echo};

const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const SLOW_PROBES: (&str, &str) = ("UPSTREAM__PROBE_INTERVAL_MS", "60000");

fn handshake(token: &str, version: &str, upgrade: &str) -> String {
    format!(
        "GET /chat/12/?token={token} {version}\r\nHost: t\r\nConnection: Upgrade\r\nUpgrade: {upgrade}\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n\r\n"
    )
}

/// A masked text frame (the mask is zero).
fn frame(text: &str) -> Vec<u8> {
    let length = u8::try_from(text.len()).unwrap();
    assert!(length < 126);
    [&[0x81, 0x80 | length, 0, 0, 0, 0], text.as_bytes()].concat()
}

/// Reads so many bytes after the head of an answer.
async fn after_head(stream: &mut TcpStream, bytes: usize) -> (String, Vec<u8>) {
    let mut all = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        if let Some(end) = all.windows(4).position(|four| four == b"\r\n\r\n")
            && all.len() >= end + 4 + bytes
        {
            let rest = all.split_off(end + 4);
            return (String::from_utf8(all).unwrap(), rest);
        }
        let reading = stream.read(&mut buffer);
        let count = tokio::time::timeout(Duration::from_secs(20), reading)
            .await
            .unwrap()
            .unwrap();
        assert!(count > 0, "ended after {:?}", String::from_utf8_lossy(&all));
        all.extend_from_slice(&buffer[..count]);
    }
}

/// A service that agrees to every handshake and then sends these bytes, nothing else.
async fn says(bytes: &'static [u8]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let mut kept = Vec::new();
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n")
                && let Ok(byte) = stream.read_u8().await
            {
                head.push(byte);
            }
            let head = String::from_utf8(head).unwrap();
            let key = head
                .lines()
                .find_map(|line| line.strip_prefix("sec-websocket-key: "))
                .unwrap_or_default();
            let accept = derive_accept_key(key.as_bytes());
            let answer = format!(
                "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                 Sec-WebSocket-Accept: {accept}\r\n\r\n"
            );
            // In one piece: the first bytes come right behind the agreement.
            let all = [answer.as_bytes(), bytes].concat();
            if stream.write_all(&all).await.is_ok() {
                kept.push(stream);
            }
        }
    });
    address
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_around_the_handshake_are_not_lost() {
    let upstream = Upstream::start().await;
    let (chat, _) = echo().await;
    let gate = gate(&upstream, &[("PEERS__CHAT", chat.as_str()), SLOW_PROBES]).await;
    let token = gate.issuer.access(|_| {});
    // A request and the handshake in one piece: both are answered, in order.
    let mut bytes = b"GET /api/auth/otp/before/ HTTP/1.1\r\nHost: t\r\n\r\n".to_vec();
    bytes.extend_from_slice(handshake(&token, "HTTP/1.1", "websocket").as_bytes());
    let mut stream = TcpStream::connect(gate.address).await.unwrap();
    stream.write_all(&bytes).await.unwrap();
    let body = r#"{"target":"/api/auth/otp/before/","body":0}"#;
    let (first, rest) = after_head(&mut stream, body.len()).await;
    assert_eq!(status_of(&first), 200);
    assert!(rest.starts_with(body.as_bytes()), "{rest:?}");
    let mut second = rest[body.len()..].to_vec();
    while !second.ends_with(b"\r\n\r\n") {
        let byte = tokio::time::timeout(Duration::from_secs(20), stream.read_u8()).await;
        second.push(byte.unwrap().unwrap());
    }
    let second = String::from_utf8(second).unwrap();
    assert_eq!(status_of(&second), 101, "{second}");
    let accept = derive_accept_key(KEY.as_bytes());
    assert!(second.contains(&accept), "{second}");

    // The handshake and two frames in one piece.
    let mut bytes = handshake(&token, "HTTP/1.1", "websocket").into_bytes();
    bytes.extend_from_slice(&frame("one"));
    bytes.extend_from_slice(&frame("two"));
    let mut stream = TcpStream::connect(gate.address).await.unwrap();
    stream.write_all(&bytes).await.unwrap();
    let expected = b"\x81\x03one\x81\x03two";
    let (head, frames) = after_head(&mut stream, expected.len()).await;
    assert_eq!((status_of(&head), frames.as_slice()), (101, &expected[..]));

    // What the service says right behind its agreement.
    let chat = says(b"\x81\x05early").await;
    let gate = gate_with(&[chat], &[SLOW_PROBES]).await;
    let token = gate.issuer.access(|_| {});
    let mut stream = TcpStream::connect(gate.address).await.unwrap();
    let asking = handshake(&token, "HTTP/1.1", "websocket");
    stream.write_all(asking.as_bytes()).await.unwrap();
    let (head, rest) = after_head(&mut stream, 7).await;
    assert_eq!(
        (status_of(&head), rest.as_slice()),
        (101, &b"\x81\x05early"[..])
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_plain_handshake_is_joined_and_a_refused_one_ends_the_connection() {
    let (chat, open) = echo().await;
    let gate = gate_with(&[chat], &[SLOW_PROBES]).await;
    let token = gate.issuer.access(|_| {});
    for (version, upgrade, status) in [
        ("HTTP/1.0", "websocket", 426),
        ("HTTP/1.1", "websocket, h2c", 426),
        // Without a word of WebSockets this is a page of the web application, which there is none of here.
        ("HTTP/1.1", "h2c", 404),
    ] {
        let asking = handshake(&token, version, upgrade);
        let answer = gate.raw(asking.as_bytes()).await;
        assert_eq!(status_of(&answer), status, "{version} {upgrade}: {answer}");
    }
    // What follows a refused handshake is nobody's request.
    let next = "GET /api/auth/otp/x/ HTTP/1.1\r\nHost: t\r\n\r\n";
    let refused = handshake("junk", "HTTP/1.1", "websocket") + next;
    let mut stream = TcpStream::connect(gate.address).await.unwrap();
    stream.write_all(refused.as_bytes()).await.unwrap();
    let answer = read_all(&mut stream, Duration::from_secs(10)).await;
    assert_eq!(status_of(&answer), 403, "{answer}");
    assert_eq!(answer.matches("HTTP/1.1").count(), 1, "{answer}");
    assert!(answer.contains("connection: close"), "{answer}");
    assert!(answer.contains("x-request-id") && answer.contains("content-length"));
    assert_eq!(open.load(Ordering::SeqCst), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_takes_nothing_holds_its_client_back_and_loses_nothing() {
    const FRAMES: usize = 1_000;
    const SIZE: usize = 60_000;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let chat = format!("http://{}", listener.local_addr().unwrap());
    let go = Arc::new(Notify::new());
    let gone = Arc::clone(&go);
    let service = tokio::spawn(async move {
        // Probes knock as well.
        let mut socket = loop {
            let (stream, _) = listener.accept().await.unwrap();
            if let Ok(socket) = accept_async(stream).await {
                break socket;
            }
        };
        gone.notified().await;
        let mut count = 0;
        while let Some(Ok(message)) = socket.next().await
            && message.is_binary()
        {
            let data = message.into_data();
            assert_eq!(data.len(), SIZE);
            assert!(data.iter().all(|byte| usize::from(*byte) == count % 251));
            count += 1;
            if count == FRAMES {
                socket.send(Message::text("all")).await.unwrap();
            }
        }
        count
    });
    let gate = gate_with(&[chat], &[SLOW_PROBES]).await;
    let token = gate.issuer.access(|_| {});
    let socket = connect(&gate, &format!("/chat/12/?token={token}"), None)
        .await
        .unwrap();
    let (mut sink, mut stream) = socket.split();
    let sent = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&sent);
    let writer = tokio::spawn(async move {
        for index in 0..FRAMES {
            let byte = u8::try_from(index % 251).unwrap();
            sink.send(Message::binary(vec![byte; SIZE])).await.unwrap();
            counter.fetch_add(1, Ordering::SeqCst);
        }
        sink
    });
    // Until the client is held back: nothing moves for a while.
    let deadline = tokio::time::Instant::now() + Duration::from_secs(60);
    let (mut seen, mut still) = (0, 0);
    while still < 20 {
        assert!(tokio::time::Instant::now() < deadline && !writer.is_finished());
        tokio::time::sleep(Duration::from_millis(20)).await;
        let now = sent.load(Ordering::SeqCst);
        still = if now == seen && now > 0 { still + 1 } else { 0 };
        seen = now;
    }
    assert!(seen < FRAMES, "everything was taken in");
    go.notify_one();
    let mut sink = writer.await.unwrap();
    assert_eq!(stream.next().await.unwrap().unwrap(), Message::text("all"));
    sink.close().await.unwrap();
    assert_eq!(service.await.unwrap(), FRAMES);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_socket_over_which_the_service_is_silent_is_told_that_it_goes() {
    let chat = says(b"").await;
    let gate = gate_with(&[chat], &[SLOW_PROBES, ("WEBSOCKET__IDLE_SECONDS", "1")]).await;
    let token = gate.issuer.access(|_| {});
    let mut socket = connect(&gate, &format!("/chat/12/?token={token}"), None)
        .await
        .unwrap();
    socket.send(Message::text("anybody?")).await.unwrap();
    let closed = tokio::time::timeout(Duration::from_secs(20), socket.next())
        .await
        .unwrap();
    match closed {
        Some(Ok(Message::Close(Some(frame)))) => assert_eq!(frame.code, CloseCode::Away),
        other => panic!("{other:?}"),
    }
    let shared = gate.shared();
    eventually(|| {
        let mut services = shared.upstreams.services().iter();
        services.all(|service| service.websockets.load(Ordering::SeqCst) == 0)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_word_is_put_inside_a_frame_of_the_service() {
    const BEGUN: &[u8] = b"\x82\x7e\x10\x00only the beginning";
    let chat = says(BEGUN).await;
    let mut gate = gate_with(&[chat], &[SLOW_PROBES]).await;
    let token = gate.issuer.access(|_| {});
    let mut stream = TcpStream::connect(gate.address).await.unwrap();
    let asking = handshake(&token, "HTTP/1.1", "websocket");
    stream.write_all(asking.as_bytes()).await.unwrap();
    let (_, begun) = after_head(&mut stream, BEGUN.len()).await;
    assert_eq!(begun, BEGUN);
    let running = gate.running.take().unwrap();
    let stopping = tokio::spawn(running.stop());
    let rest = read_all(&mut stream, Duration::from_secs(20)).await;
    assert!(rest.is_empty(), "{rest:?} was put into a frame");
    drop(stream);
    stopping.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_breaks_the_protocol_is_cut_off() {
    // A masked frame: only clients send those.
    let chat = says(b"\x81\x82\0\0\0\0hi").await;
    let gate = gate_with(&[chat], &[SLOW_PROBES]).await;
    let token = gate.issuer.access(|_| {});
    let mut stream = TcpStream::connect(gate.address).await.unwrap();
    let asking = handshake(&token, "HTTP/1.1", "websocket");
    stream.write_all(asking.as_bytes()).await.unwrap();
    let answer = read_all(&mut stream, Duration::from_secs(20)).await;
    assert_eq!(status_of(&answer), 101);
    assert!(answer.ends_with("\r\n\r\n"), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn sockets_pass_through_https() {
    let (chat, open) = echo().await;
    let more = [
        ("TLS__CERTIFICATE_FILE", crate::tls::CERTIFICATE),
        ("TLS__KEY_FILE", crate::tls::KEY),
        SLOW_PROBES,
    ];
    let gate = gate_with(&[chat], &more).await;
    let token = gate.issuer.access(|_| {});
    let client = crate::tls::client(gate.address)
        .http1_only()
        .build()
        .unwrap();
    let answer = client
        .get(format!(
            "https://localhost:{}/chat/12/?token={token}",
            gate.address.port()
        ))
        .header("Connection", "Upgrade")
        .header("Upgrade", "websocket")
        .header("Sec-WebSocket-Version", "13")
        .header("Sec-WebSocket-Key", KEY)
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 101);
    let upgraded = answer.upgrade().await.unwrap();
    let mut socket = WebSocketStream::from_raw_socket(upgraded, Role::Client, None).await;
    eventually(|| open.load(Ordering::SeqCst) == 1).await;
    for size in [0, 125, 65_536, 500_000] {
        let message = Message::binary(vec![7; size]);
        socket.send(message.clone()).await.unwrap();
        assert_eq!(socket.next().await.unwrap().unwrap(), message);
    }
    socket.close(None).await.unwrap();
    eventually(|| open.load(Ordering::SeqCst) == 0).await;
}
