//! WebSockets through the gateway.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, accept_async, connect_async};

use crate::harness::{Gate, Upstream, eventually, gate, gate_with, status_of};

/// A chat service that echoes, counting open sockets.
pub(crate) async fn echo() -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let open = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&open);
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let counter = Arc::clone(&counter);
            tokio::spawn(async move {
                let Ok(mut socket) = accept_async(stream).await else {
                    return;
                };
                counter.fetch_add(1, Ordering::SeqCst);
                while let Some(Ok(message)) = socket.next().await {
                    if (message.is_text() || message.is_binary())
                        && socket.send(message).await.is_err()
                    {
                        break;
                    }
                }
                counter.fetch_sub(1, Ordering::SeqCst);
            });
        }
    });
    (address, open)
}

pub(crate) type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

pub(crate) async fn connect(gate: &Gate, path: &str, origin: Option<&str>) -> Result<Socket, u16> {
    let mut request = format!("ws://{}{path}", gate.address)
        .into_client_request()
        .unwrap();
    if let Some(origin) = origin {
        request
            .headers_mut()
            .insert("origin", origin.parse().unwrap());
    }
    match connect_async(request).await {
        Ok((socket, _)) => Ok(socket),
        Err(Error::Http(answer)) => Err(answer.status().as_u16()),
        Err(error) => panic!("{error}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn frames_flow_both_ways_and_an_end_reaches_the_other_side() {
    let (chat, open) = echo().await;
    let gate = gate_with(&[chat], &[("UPSTREAM__PROBE_INTERVAL_MS", "60000")]).await;
    let token = gate.issuer.access(|_| {});
    for path in [
        format!("/chat/12/?token={token}"),
        format!("/ws/chat/12/?token={token}"),
        format!("/ws/chat/12?token={token}"),
    ] {
        let mut socket = connect(&gate, &path, None).await.unwrap();
        eventually(|| open.load(Ordering::SeqCst) == 1).await;
        for size in [0, 1, 125, 126, 65_535, 65_536, 200_000] {
            let text = "س".repeat(size / 2);
            socket.send(Message::text(text.clone())).await.unwrap();
            let back = socket.next().await.unwrap().unwrap();
            assert_eq!(back.into_text().unwrap().as_str(), text);
        }
        socket.send(Message::binary(vec![1, 2, 3])).await.unwrap();
        assert_eq!(
            socket.next().await.unwrap().unwrap().into_data().as_ref(),
            [1, 2, 3]
        );
        socket.close(None).await.unwrap();
        eventually(|| open.load(Ordering::SeqCst) == 0).await;
    }
    // A client that vanishes without a word is noticed as well.
    let socket = connect(&gate, &format!("/chat/12/?token={token}"), None)
        .await
        .unwrap();
    eventually(|| open.load(Ordering::SeqCst) == 1).await;
    drop(socket);
    eventually(|| open.load(Ordering::SeqCst) == 0).await;
    let shared = gate.shared();
    eventually(|| {
        shared
            .upstreams
            .services()
            .iter()
            .all(|service| service.websockets.load(Ordering::SeqCst) == 0)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handshake_needs_a_token_and_no_foreign_origin() {
    let (chat, open) = echo().await;
    let gate = gate_with(
        &[chat],
        &[
            ("UPSTREAM__PROBE_INTERVAL_MS", "60000"),
            ("CORS__ORIGINS", "https://app.test"),
        ],
    )
    .await;
    let token = gate.issuer.access(|_| {});
    let good = format!("/chat/12/?token={token}");
    for (path, origin, status) in [
        ("/chat/12/".to_owned(), None, 403),
        ("/chat/12/?token=junk".to_owned(), None, 403),
        (
            format!("/chat/12/?token={}", gate.issuer.service("chat")),
            None,
            403,
        ),
        (good.clone(), Some("https://evil.test"), 403),
        (good.clone(), Some("null"), 403),
        (format!("/chat/12/x?token={token}"), None, 404),
    ] {
        let refused = connect(&gate, &path, origin).await.err();
        // Below the room there is only the web application, which answers no handshake.
        let fine = refused == Some(status) || (status == 404 && refused == Some(400));
        assert!(fine, "{path} {origin:?}: {refused:?}");
    }
    assert_eq!(open.load(Ordering::SeqCst), 0);
    let same = format!("http://{}", gate.address);
    for origin in [None, Some("https://app.test"), Some(same.as_str())] {
        connect(&gate, &good, origin).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn upgrades_exist_on_the_chat_routes_only() {
    let upstream = Upstream::start().await;
    let gate = gate(&upstream, &[]).await;
    let token = gate.issuer.access(|_| {});
    for path in ["/api/auth/me/", "/api/auth/otp/x/", "/api/chat/chatrooms/"] {
        let request = format!(
            "GET {path}?token={token} HTTP/1.1\r\nHost: t\r\nAuthorization: Bearer {token}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\nGET /api/auth/otp/smuggled HTTP/1.1\r\nHost: t\r\n\r\n"
        );
        let answer = gate.raw(request.as_bytes()).await;
        assert_eq!(status_of(&answer), 400, "{path}: {answer}");
        assert_eq!(answer.matches("HTTP/1.1").count(), 1, "{answer}");
    }
    assert_eq!(gate.get("/ws/chat/12/").send().await.unwrap().status(), 426);
    assert_eq!(upstream.count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_of_the_service_comes_back_as_it_is() {
    let upstream = Upstream::start().await;
    let gate = gate(&upstream, &[]).await;
    let token = gate.issuer.access(|_| {});
    // The plain upstream answers 200 to a handshake, which is no upgrade.
    let refused = connect(&gate, &format!("/chat/12/?token={token}"), None)
        .await
        .err();
    assert_eq!(refused, Some(200));
    let seen = upstream.last();
    assert!(
        seen.header("sec-websocket-key").is_some()
            && seen.header("sec-websocket-extensions").is_none()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frame_above_the_cap_ends_the_socket_with_1009() {
    let (chat, open) = echo().await;
    let more = [
        ("UPSTREAM__PROBE_INTERVAL_MS", "60000"),
        ("WEBSOCKET__MAX_FRAME_BYTES", "70000"),
    ];
    let gate = gate_with(&[chat], &more).await;
    let token = gate.issuer.access(|_| {});
    let mut socket = connect(&gate, &format!("/chat/12/?token={token}"), None)
        .await
        .unwrap();
    socket.send(Message::binary(vec![0; 70_000])).await.unwrap();
    assert_eq!(
        socket.next().await.unwrap().unwrap().into_data().len(),
        70_000
    );
    let _ = socket.send(Message::binary(vec![0; 70_001])).await;
    let closed = tokio::time::timeout(Duration::from_secs(5), socket.next())
        .await
        .unwrap();
    match closed {
        Some(Ok(Message::Close(Some(frame)))) => assert_eq!(frame.code, CloseCode::Size),
        other => panic!("{other:?}"),
    }
    eventually(|| open.load(Ordering::SeqCst) == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopping_gateway_says_so_to_its_sockets() {
    let (chat, _) = echo().await;
    let mut gate = gate_with(&[chat], &[("UPSTREAM__PROBE_INTERVAL_MS", "60000")]).await;
    let token = gate.issuer.access(|_| {});
    let mut socket = connect(&gate, &format!("/chat/12/?token={token}"), None)
        .await
        .unwrap();
    let running = gate.running.take().unwrap();
    let stopping = tokio::spawn(running.stop());
    let closed = tokio::time::timeout(Duration::from_secs(5), socket.next())
        .await
        .unwrap();
    match closed {
        Some(Ok(Message::Close(Some(frame)))) => assert_eq!(frame.code, CloseCode::Restart),
        other => panic!("{other:?}"),
    }
    drop(socket);
    stopping.await.unwrap();
}
