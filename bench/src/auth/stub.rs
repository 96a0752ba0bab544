//! The stand-in for `integrations`: takes every message at once and remembers the code in it.

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use anyhow::{Context, Result};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpListener;

type Codes = Arc<Mutex<HashMap<String, String>>>;

/// A thread of its own.
pub(super) struct Stub {
    pub(super) address: SocketAddr,
    codes: Codes,
}

impl Stub {
    pub(super) async fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let listener = listener.into_std()?;
        let codes = Codes::default();
        let kept = Arc::clone(&codes);
        std::thread::Builder::new()
            .name("messages".into())
            .spawn(move || {
                let Ok(runtime) = tokio::runtime::Builder::new_current_thread()
                    .enable_all()
                    .build()
                else {
                    return;
                };
                runtime.block_on(serve(listener, kept));
            })?;
        Ok(Self { address, codes })
    }

    /// The last code that went to this number.
    pub(super) fn code(&self, phone: &str) -> Result<String> {
        let codes = self
            .codes
            .lock()
            .map_err(|_| anyhow::anyhow!("the stub died"))?;
        codes
            .get(phone)
            .cloned()
            .with_context(|| format!("no code went to {phone}"))
    }
}

async fn serve(listener: std::net::TcpListener, codes: Codes) {
    let Ok(listener) = TcpListener::from_std(listener) else {
        return;
    };
    while let Ok((stream, _)) = listener.accept().await {
        let _ = stream.set_nodelay(true);
        let codes = Arc::clone(&codes);
        tokio::spawn(async move {
            let service = service_fn(move |request| answer(request, Arc::clone(&codes)));
            let _ = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

async fn answer(
    request: Request<Incoming>,
    codes: Codes,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let body = request
        .into_body()
        .collect()
        .await
        .map(|body| body.to_bytes())
        .unwrap_or_default();
    let message: Value = serde_json::from_slice(&body).unwrap_or_default();
    if let (Some(to), Some(code)) = (
        message["to"].as_str(),
        message["template"]["tokens"]["token"].as_str(),
    ) && let Ok(mut codes) = codes.lock()
    {
        codes.insert(to.to_owned(), code.to_owned());
    }
    let taken = br#"{"message_id":null,"state":"sent","provider":"stub","cost":0}"#;
    let mut answer = Response::new(Full::new(Bytes::from_static(taken)));
    answer.headers_mut().insert(
        "content-type",
        hyper::header::HeaderValue::from_static("application/json"),
    );
    Ok(answer)
}
