//! A gateway on a free port, an upstream that notes what reaches it, and a client of raw bytes.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use common_types::clock::{SharedClock, SystemClock};
use futures_util::StreamExt;
use gateway::server::{Running, Trust, start};
use gateway::settings::Settings;
use http_body_util::{BodyExt, StreamBody, combinators::UnsyncBoxBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use service_auth::Verifier;
use service_auth::testing::{ISSUER, PORTAL_ISSUER, TestIssuer};
use service_config::Sources;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

pub(crate) const CLIENT_IP_KEY: &str = "client-ip-key-of-tests";

/// One request as it reached the upstream.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: usize,
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }
}

#[derive(Default)]
pub(crate) struct Log {
    pub(crate) seen: Mutex<Vec<Seen>>,
    pub(crate) connections: AtomicUsize,
    /// Requests whose handling was begun but not finished.
    pub(crate) running: AtomicUsize,
    pub(crate) unready: AtomicBool,
}

/// A service that notes and answers.
pub(crate) struct Upstream {
    pub(crate) address: SocketAddr,
    pub(crate) log: Arc<Log>,
    task: JoinHandle<()>,
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Upstream {
    pub(crate) async fn start() -> Self {
        Self::on("127.0.0.1:0").await
    }

    pub(crate) async fn on(address: &str) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let log = Arc::new(Log::default());
        let noted = Arc::clone(&log);
        let task = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                noted.connections.fetch_add(1, Ordering::SeqCst);
                let log = Arc::clone(&noted);
                connections.spawn(async move {
                    let service = service_fn(move |request| answer(Arc::clone(&log), request));
                    let _ = hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                });
            }
        });
        Self { address, log, task }
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.log.seen.lock().unwrap().clone()
    }

    pub(crate) fn count(&self) -> usize {
        self.log.seen.lock().unwrap().len()
    }

    pub(crate) fn last(&self) -> Seen {
        self.seen().pop().expect("nothing reached the upstream")
    }
}

type Answer = Response<UnsyncBoxBody<Bytes, Infallible>>;

fn full(text: impl Into<Bytes>) -> UnsyncBoxBody<Bytes, Infallible> {
    http_body_util::Full::new(text.into()).boxed_unsync()
}

/// What the last segments of the path ask for: `…/status/503`, `…/slow/200`, `…/big/1000000`, `…/rude`.
async fn answer(log: Arc<Log>, request: Request<Incoming>) -> Result<Answer, std::io::Error> {
    let (parts, mut body) = request.into_parts();
    let target = parts.uri.to_string();
    let path = parts.uri.path().trim_end_matches('/').to_owned();
    if path == "/health/ready" {
        let unready = log.unready.load(Ordering::SeqCst);
        let word = if unready { "failed" } else { "ok" };
        let text = format!(
            r#"{{"checks":{{"database":{{"status":"{word}"}},"redis":{{"status":"ok"}}}}}}"#
        );
        return Ok(Response::builder()
            .status(if unready { 503 } else { 200 })
            .body(full(text))
            .unwrap());
    }
    if path == "/openapi.json" {
        return Ok(Response::new(full(
            r#"{"openapi":"3.1.0","info":{},"paths":{"/api/auth/me":{"get":{}},"/internal/x":{"get":{}}}}"#,
        )));
    }
    log.running.fetch_add(1, Ordering::SeqCst);
    let _busy = Busy(Arc::clone(&log));
    let mut received = 0;
    while let Some(frame) = body.frame().await {
        received += frame
            .map_err(std::io::Error::other)?
            .into_data()
            .map_or(0, |data| data.len());
    }
    let headers: Vec<(String, String)> = parts
        .headers
        .iter()
        .map(|(name, value)| {
            (
                name.to_string(),
                String::from_utf8_lossy(value.as_bytes()).into_owned(),
            )
        })
        .collect();
    let seen = Seen {
        method: parts.method.to_string(),
        target: target.clone(),
        headers,
        body: received,
    };
    log.seen.lock().unwrap().push(seen);
    let parts: Vec<&str> = path.split('/').collect();
    let argument = |name: &str| {
        parts
            .iter()
            .position(|part| *part == name)
            .and_then(|at| parts.get(at + 1)?.parse::<u64>().ok())
    };
    let mut builder = Response::builder()
        .header("x-upstream", "yes")
        .header("server", "secret/1.0")
        .header("x-powered-by", "secret")
        .header("x-tabib-internal", "secret")
        .header("access-control-allow-origin", "*")
        .header("keep-alive", "timeout=5");
    if let Some(ms) = argument("slow") {
        tokio::time::sleep(Duration::from_millis(ms)).await;
    }
    if parts.contains(&"rude") {
        return Err(std::io::Error::other("rude"));
    }
    if let Some(bytes) = argument("big") {
        let chunk = Bytes::from(vec![b'x'; 64 * 1024]);
        let stream = futures_util::stream::unfold(bytes, move |left| {
            let chunk = chunk.clone();
            async move {
                (left > 0).then(|| {
                    let take = left.min(chunk.len() as u64);
                    (
                        Ok(Frame::data(chunk.slice(..usize::try_from(take).unwrap()))),
                        left - take,
                    )
                })
            }
        });
        return Ok(builder
            .header("content-length", bytes)
            .body(StreamBody::new(stream).boxed_unsync())
            .unwrap());
    }
    if let Some(chunks) = argument("chunks") {
        let stream = futures_util::stream::iter(0..chunks).then(|index| async move {
            tokio::time::sleep(Duration::from_millis(20)).await;
            Ok::<_, Infallible>(Frame::data(Bytes::from(format!("part {index}\n"))))
        });
        return Ok(builder
            .body(StreamBody::new(stream).boxed_unsync())
            .unwrap());
    }
    if let Some(status) = argument("status") {
        builder = builder.status(u16::try_from(status).unwrap());
        if status == 204 || status == 304 {
            return Ok(builder.body(full("")).unwrap());
        }
    }
    Ok(builder
        .header("content-type", "application/json")
        .body(full(format!(
            r#"{{"target":"{target}","body":{received}}}"#
        )))
        .unwrap())
}

struct Busy(Arc<Log>);

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::SeqCst);
    }
}

/// A running gateway with its issuer.
pub(crate) struct Gate {
    pub(crate) running: Option<Running>,
    pub(crate) issuer: TestIssuer,
    pub(crate) address: SocketAddr,
    pub(crate) client: reqwest::Client,
}

/// A gateway whose services all live at this upstream; `more` are further variables.
pub(crate) async fn gate(upstream: &Upstream, more: &[(&str, &str)]) -> Gate {
    let peer = format!("http://{}", upstream.address);
    gate_with(&[peer], more).await
}

/// A gateway whose services all live at these addresses.
pub(crate) async fn gate_with(peers: &[String], more: &[(&str, &str)]) -> Gate {
    gate_by(Arc::new(SystemClock), peers, more).await
}

/// As [`gate_with`], by a clock of the test's own.
pub(crate) async fn gate_by(clock: SharedClock, peers: &[String], more: &[(&str, &str)]) -> Gate {
    let mut env: BTreeMap<String, String> = BTreeMap::new();
    let mut set = |key: &str, value: &str| env.insert(format!("GATEWAY__{key}"), value.to_owned());
    for name in [
        "AUTH_OTP",
        "PATIENT_ACCESS",
        "PAYMENTS",
        "PORTAL",
        "CONTENT",
        "INTEGRATIONS",
        "CHAT",
        "SIMULATORS",
    ] {
        set(&format!("PEERS__{name}"), &peers.join(","));
    }
    set("ENVIRONMENT", "test");
    set("SERVER__PORT", "0");
    set("SERVER__WORKERS", "2");
    set("SERVER__SHUTDOWN_TIMEOUT_SECONDS", "5");
    set("REDIS__URL", "redis://127.0.0.1:1/0");
    // Keys are installed; nobody else may answer for them, whatever runs on this machine.
    set("AUTH__JWKS_URL", "http://127.0.0.1:1/jwks");
    set("AUTH__PORTAL_JWKS_URL", "http://127.0.0.1:1/jwks");
    set("AUTH__CLIENT_SECRET", "secret");
    set("AUTH__CLIENT_IP_KEY", CLIENT_IP_KEY);
    set("AUTH__ISSUER", ISSUER);
    set("AUTH__PORTAL_ISSUER", PORTAL_ISSUER);
    set("LIMITS__ENABLED", "false");
    set("WEB__DIRECTORY", "/nonexistent");
    set("UPSTREAM__PROBE_INTERVAL_MS", "100");
    for (key, value) in more {
        set(key, value);
    }
    let settings = Settings::load(Sources::from_map(env)).unwrap();
    let verifier = Verifier::new(&settings.auth, Arc::new(SystemClock)).unwrap();
    let issuer = TestIssuer::new();
    issuer.install_in(&verifier);
    let running = start(settings, verifier, Trust::Given, clock)
        .await
        .unwrap();
    let client = reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .timeout(Duration::from_secs(20))
        .build()
        .unwrap();
    Gate {
        address: running.address,
        running: Some(running),
        issuer,
        client,
    }
}

impl Gate {
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) fn get(&self, path: &str) -> reqwest::RequestBuilder {
        self.client.get(self.url(path))
    }

    pub(crate) fn post(&self, path: &str) -> reqwest::RequestBuilder {
        self.client.post(self.url(path))
    }

    /// A request that a person may make.
    pub(crate) fn get_as_user(&self, path: &str) -> reqwest::RequestBuilder {
        self.get(path).bearer_auth(self.issuer.access(|_| {}))
    }

    pub(crate) fn shared(&self) -> &gateway::handler::Shared {
        &self.running.as_ref().unwrap().shared
    }

    /// As [`Gate::raw`] for requests after which the gateway closes: a slow machine is waited for.
    pub(crate) async fn raw_to_end(&self, bytes: &[u8]) -> String {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let _ = stream.write_all(bytes).await;
        read_all(&mut stream, Duration::from_secs(20)).await
    }

    /// Sends bytes on a fresh connection and returns all that comes back until the other side closes or is silent.
    pub(crate) async fn raw(&self, bytes: &[u8]) -> String {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let _ = stream.write_all(bytes).await;
        read_all(&mut stream, Duration::from_millis(700)).await
    }
}

/// Reads until the end or until nothing came for a while.
pub(crate) async fn read_all(stream: &mut TcpStream, silence: Duration) -> String {
    let mut all = Vec::new();
    let mut buffer = [0; 8192];
    while let Ok(Ok(count)) = tokio::time::timeout(silence, stream.read(&mut buffer)).await {
        if count == 0 {
            break;
        }
        all.extend_from_slice(&buffer[..count]);
    }
    String::from_utf8_lossy(&all).into_owned()
}

/// The status of the first answer in raw bytes; 0 when there is none.
pub(crate) fn status_of(raw: &str) -> u16 {
    raw.strip_prefix("HTTP/1.1 ")
        .or_else(|| raw.strip_prefix("HTTP/1.0 "))
        .and_then(|rest| rest.get(..3)?.parse().ok())
        .unwrap_or(0)
}

/// Waits for a condition.
pub(crate) async fn eventually(condition: impl Fn() -> bool) {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(10);
    while !condition() {
        assert!(
            tokio::time::Instant::now() < deadline,
            "the condition did not come true"
        );
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
