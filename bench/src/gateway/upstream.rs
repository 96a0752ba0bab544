//! The service behind both sides: answers a small document, and to the gateway alone what it asks of the platform.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Result;
use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::HeaderValue;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::keys::Keys;

/// The document.
pub(super) const BODY: &str = r#"{"id":1,"number":"FAC-000001","status":"paid","total_amount":"15000","patient_name":"Aram Nazari","created_at":"2026-11-21T10:00:00Z"}"#;

/// The frame that it answers to whatever comes over a WebSocket.
pub(super) const FRAME: [u8; 4] = *b"\x81\x02hi";

/// A thread of its own, so that its cost is in nobody's figure.
pub(super) struct Upstream {
    pub(super) address: SocketAddr,
}

impl Upstream {
    pub(super) async fn start(keys: &Keys) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let listener = listener.into_std()?;
        let jwks = Arc::new(Bytes::from(keys.jwks()?));
        std::thread::Builder::new()
            .name("upstream".into())
            .spawn(move || {
                let Ok(runtime) = tokio::runtime::Builder::new_current_thread()
                    .enable_all()
                    .build()
                else {
                    return;
                };
                runtime.block_on(async move {
                    let Ok(listener) = TcpListener::from_std(listener) else {
                        return;
                    };
                    while let Ok((stream, _)) = listener.accept().await {
                        let _ = stream.set_nodelay(true);
                        let jwks = Arc::clone(&jwks);
                        tokio::spawn(async move {
                            let service = service_fn(move |request| {
                                let jwks = Arc::clone(&jwks);
                                async move { Ok::<_, Infallible>(answer(request, &jwks)) }
                            });
                            let _ = hyper::server::conn::http1::Builder::new()
                                .serve_connection(TokioIo::new(stream), service)
                                .with_upgrades()
                                .await;
                        });
                    }
                });
            })?;
        Ok(Self { address })
    }
}

/// Answers every piece of a WebSocket's bytes with a frame.
async fn converse(request: Request<Incoming>) -> anyhow::Result<()> {
    let mut io = TokioIo::new(hyper::upgrade::on(request).await?);
    let mut piece = [0; 64];
    while io.read(&mut piece).await? > 0 {
        io.write_all(&FRAME).await?;
    }
    Ok(())
}

fn answer(request: Request<Incoming>, jwks: &Bytes) -> Response<Full<Bytes>> {
    if request.headers().contains_key(hyper::header::UPGRADE) {
        let mut answer = Response::new(Full::default());
        *answer.status_mut() = hyper::StatusCode::SWITCHING_PROTOCOLS;
        let headers = answer.headers_mut();
        headers.insert(
            hyper::header::CONNECTION,
            HeaderValue::from_static("upgrade"),
        );
        headers.insert(
            hyper::header::UPGRADE,
            HeaderValue::from_static("websocket"),
        );
        tokio::spawn(converse(request));
        return answer;
    }
    let body = match request.uri().path() {
        "/.well-known/jwks.json" => jwks.clone(),
        "/token" => {
            Bytes::from_static(br#"{"access_token":"x","token_type":"Bearer","expires_in":3600}"#)
        }
        path if path.starts_with("/internal/revocations") => {
            Bytes::from_static(br#"{"cursor":1,"revocations":[]}"#)
        }
        _ => Bytes::from_static(BODY.as_bytes()),
    };
    let mut answer = Response::new(Full::new(body));
    answer
        .headers_mut()
        .insert("content-type", HeaderValue::from_static("application/json"));
    answer
}
