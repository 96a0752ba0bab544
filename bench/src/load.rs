//! A load of different requests whose answers are all looked at.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// One POST.
pub(crate) struct Request {
    pub(crate) path: String,
    pub(crate) body: String,
    pub(crate) headers: Vec<(&'static str, String)>,
}

/// What a run gave.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Figures {
    pub(crate) answers: usize,
    pub(crate) per_second: f64,
    pub(crate) p99_ms: f64,
    pub(crate) cpu_us: f64,
}

/// Sends requests over so many kept connections until the time or the requests are over. Any other status, and any body
/// that the second part of `right` refuses, fails the run. All of it happens on one thread of its own: a load that wakes
/// several takes more from the service that it measures.
pub(crate) async fn run<N, R>(
    address: SocketAddr,
    connections: usize,
    length: Option<Duration>,
    next: Arc<N>,
    right: (u16, R),
) -> Result<Figures>
where
    N: Fn() -> Option<Request> + Send + Sync + 'static,
    R: Fn(&Value) -> bool + Copy + Send + Sync + 'static,
{
    let (tell, told) = tokio::sync::oneshot::channel();
    std::thread::Builder::new()
        .name("load".into())
        .spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            let figures = runtime.map_err(anyhow::Error::from).and_then(|runtime| {
                runtime.block_on(drive(address, connections, length, next, right))
            });
            // Nobody listens when the run was given up.
            let _ = tell.send(figures);
        })?;
    told.await.context("the load ended early")?
}

async fn drive<N, R>(
    address: SocketAddr,
    connections: usize,
    length: Option<Duration>,
    next: Arc<N>,
    right: (u16, R),
) -> Result<Figures>
where
    N: Fn() -> Option<Request> + Send + Sync + 'static,
    R: Fn(&Value) -> bool + Copy + Send + Sync + 'static,
{
    let started = Instant::now();
    let end = length.map(|length| started + length);
    let mut tasks = JoinSet::new();
    for _ in 0..connections {
        tasks.spawn(connection(address, end, Arc::clone(&next), right));
    }
    let mut took = Vec::new();
    while let Some(done) = tasks.join_next().await {
        took.extend(done??);
    }
    let seconds = started.elapsed().as_secs_f64();
    ensure!(!took.is_empty(), "no request was answered");
    took.sort_unstable();
    let p99 = took[(took.len() - 1) * 99 / 100];
    Ok(Figures {
        answers: took.len(),
        per_second: took.len() as f64 / seconds,
        p99_ms: p99.as_secs_f64() * 1000.0,
        cpu_us: 0.0,
    })
}

async fn connection<N, R>(
    address: SocketAddr,
    end: Option<Instant>,
    next: Arc<N>,
    (wanted, is_right): (u16, R),
) -> Result<Vec<Duration>>
where
    N: Fn() -> Option<Request>,
    R: Fn(&Value) -> bool,
{
    let mut sender = connect(address).await?;
    let mut took = Vec::new();
    while end.is_none_or(|end| Instant::now() < end) {
        let Some(request) = next() else {
            break;
        };
        let mut message = hyper::Request::post(&request.path)
            .header("host", "bench")
            .header("content-type", "application/json");
        for (name, value) in request.headers {
            message = message.header(name, value);
        }
        let message = message.body(Full::new(Bytes::from(request.body)))?;
        let began = Instant::now();
        if sender.ready().await.is_err() {
            // A server that closes after each answer.
            sender = connect(address).await?;
        }
        let answer = sender.send_request(message).await.context("no answer")?;
        let status = answer.status();
        let body = answer.into_body().collect().await?.to_bytes();
        took.push(began.elapsed());
        let body: Value = serde_json::from_slice(&body).unwrap_or_default();
        ensure!(
            status.as_u16() == wanted && is_right(&body),
            "{} answers {status}: {body}",
            request.path
        );
    }
    Ok(took)
}

async fn connect(address: SocketAddr) -> Result<http1::SendRequest<Full<Bytes>>> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(async move {
        // Ends with its sender; what breaks it is seen by the request that breaks.
        let _ = connection.await;
    });
    Ok(sender)
}
