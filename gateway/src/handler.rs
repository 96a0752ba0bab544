//! The walk of every request through the gateway, on one screen.

use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use actix_web::dev::Payload;
use actix_web::http::{Method, Version, header};
use actix_web::{HttpRequest, HttpResponse};
use arc_swap::ArcSwap;
use service_auth::Verifier;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use crate::auth::{Admitted, admit};
use crate::cidr::Block;
use crate::door::context::{Context, Voucher};
use crate::door::cors::{Cors, Origin};
use crate::door::hold::Held;
use crate::door::meter::Meter;
use crate::door::security;
use crate::forward::{asks_for_websocket, check_body, forward, is_upgrade};
use crate::health::Platform;
use crate::limits::Limits;
use crate::pages::documents::Documents;
use crate::pages::files::Site;
use crate::pages::first;
use crate::pages::own::own_page;
use crate::refusal::Refusal;
use crate::routes::{Found, LimitBy, Route, RouteTable, is_api};
use crate::settings::{AccessLog, Settings};
use crate::upstream::Upstreams;
use crate::upstream::pool::Pool;
use crate::{headers, path, websocket};

/// What all workers share.
pub struct Shared {
    /// Settings.
    pub settings: Settings,
    /// The route table; replaced as a whole on SIGHUP.
    pub table: ArcSwap<RouteTable>,
    /// Services.
    pub upstreams: Arc<Upstreams>,
    /// Token checks.
    pub verifier: Verifier,
    /// Rate limits.
    pub limits: Limits,
    /// Foreign origins.
    pub cors: Cors,
    /// Proxies in front.
    pub trusted: Vec<Block>,
    /// Host names answered; empty = any.
    pub hosts: Vec<String>,
    /// The web application.
    pub site: Site,
    /// API documents.
    pub documents: Documents,
    /// The services' health.
    pub platform: Platform,
    /// Readiness says no; calls still pass.
    pub draining: AtomicBool,
    /// WebSockets are being closed.
    pub stopping: CancellationToken,
    /// Whether spans leave this process.
    pub records_traces: bool,
}

/// What one worker thread has for itself.
pub struct Worker {
    /// Shared by all.
    pub shared: Arc<Shared>,
    /// Upstream connections.
    pub pool: Rc<Pool>,
    /// Signed client addresses.
    pub voucher: Voucher,
    /// Metrics handles.
    pub meter: Meter,
}

impl Worker {
    /// The trace context that the service continues.
    pub fn traceparent(&self, context: &Context) -> String {
        let recorded = if self.records(context) {
            service_telemetry::current_traceparent()
        } else {
            None
        };
        recorded.unwrap_or_else(|| context.trace.header())
    }

    fn records(&self, context: &Context) -> bool {
        self.shared.records_traces && context.trace.sampled
    }
}

/// What became of a request, for metrics and the log: names of ours, never a client's text.
struct Outcome {
    answer: HttpResponse,
    label: Label,
}

enum Label {
    Route(Arc<Route>),
    Own(&'static str),
}

impl Label {
    fn as_str(&self) -> &str {
        match self {
            Self::Route(route) => &route.prefix,
            Self::Own(name) => name,
        }
    }
}

/// Answers one request.
pub async fn handle(worker: &Worker, request: &HttpRequest, payload: Payload) -> HttpResponse {
    let started = Instant::now();
    let shared = &worker.shared;
    let context = Context::of(request, &shared.trusted, shared.settings.traces.ratio);
    let (held, payload) = if request.headers().contains_key(header::TRANSFER_ENCODING) {
        let (held, payload) = Held::new(payload);
        (Some(held), payload)
    } else {
        (None, payload)
    };
    let walk = walk(worker, request, payload, &context);
    let outcome = if worker.records(&context) {
        let span =
            service_telemetry::server_span("gateway", context.trace.parent_header().as_deref());
        walk.instrument(span).await
    } else {
        walk.await
    };
    let Outcome { mut answer, label } = outcome;
    let development_page = matches!(&label, Label::Route(route) if route.development_only);
    let https = shared.settings.server.public_url.starts_with("https://");
    let headers = answer.headers_mut();
    security::apply(headers, https, development_page);
    shared.cors.mark(request, headers);
    if let Ok(id) = header::HeaderValue::from_str(context.request_id.as_str()) {
        headers.insert(header::HeaderName::from_static("x-request-id"), id);
    }
    let status = answer.status().as_u16();
    worker
        .meter
        .record(label.as_str(), request.method(), status, started.elapsed());
    log(shared, &context, request, label.as_str(), status, started);
    match held {
        Some(held) => held.until_sent(answer),
        None => answer,
    }
}

fn log(
    shared: &Shared,
    context: &Context,
    request: &HttpRequest,
    route: &str,
    status: u16,
    started: Instant,
) {
    let wanted = match shared.settings.logs.access {
        AccessLog::All => true,
        AccessLog::Errors => status >= 500,
        AccessLog::None => false,
    };
    if wanted {
        // The route's name, not the path: paths hold phone numbers and tickets.
        tracing::info!(
            request_id = context.request_id.as_str(),
            trace_id = %format_args!("{:032x}", context.trace.trace_id),
            method = request.method().as_str(),
            route,
            status,
            duration_ms = started.elapsed().as_secs_f64() * 1000.0,
            "request"
        );
    }
}

async fn walk(
    worker: &Worker,
    request: &HttpRequest,
    payload: Payload,
    context: &Context,
) -> Outcome {
    let shared = &worker.shared;
    let own = |answer, name| Outcome {
        answer,
        label: Label::Own(name),
    };
    let refuse =
        |refusal: Refusal, name| own(refusal.answer(None, context.request_id.as_str()), name);
    if let Err(refusal) = check_head(shared, request) {
        return refuse(refusal, "refused");
    }
    if let Some(answer) = shared.cors.preflight(request) {
        return own(answer, "preflight");
    }
    let path = request.uri().path();
    if let Some((answer, name)) = own_page(worker, request, context).await {
        return own(answer, name);
    }
    let table = shared.table.load();
    let method = request.method().as_str();
    let route = match table.find(path, method) {
        Found::Route(route) if route.websocket && !asks_for_websocket(request) && !is_api(path) => {
            None
        }
        Found::Route(route) => Some(Arc::clone(route)),
        Found::MethodNotAllowed(allowed) if request.method() == Method::OPTIONS => {
            let list = allowed.into_iter().collect::<Vec<_>>().join(", ");
            return own(
                HttpResponse::NoContent()
                    .insert_header((header::ALLOW, list))
                    .finish(),
                "options",
            );
        }
        Found::MethodNotAllowed(allowed) => {
            return refuse(
                Refusal::MethodNotAllowed(method.to_owned(), allowed),
                "unmatched",
            );
        }
        Found::None => None,
    };
    let Some(route) = route else {
        return unrouted(shared, request, context).await;
    };
    let every_call = table.every_call().cloned();
    drop(table);
    if let Some(policy) = every_call
        && let Err(denied) = shared.limits.check(&policy, &address(context.client)).await
    {
        return refused(&route, Refusal::Throttled(denied), context);
    }
    match routed(worker, &route, request, payload, context).await {
        Ok(answer) => Outcome {
            answer,
            label: Label::Route(route),
        },
        Err(refusal) => refused(&route, refusal, context),
    }
}

fn refused(route: &Arc<Route>, refusal: Refusal, context: &Context) -> Outcome {
    Outcome {
        answer: refusal.answer(Some(route), context.request_id.as_str()),
        label: Label::Route(Arc::clone(route)),
    }
}

/// What is wrong with a request whatever it asks for (Q-G1 to Q-G3).
fn check_head(shared: &Shared, request: &HttpRequest) -> Result<(), Refusal> {
    let uri = request.uri();
    if request.version() < Version::HTTP_2 && (uri.authority().is_some() || uri.scheme().is_some())
    {
        return Err(Refusal::Path(path::PathError::Form));
    }
    path::check(uri.path()).map_err(Refusal::Path)?;
    if let Some(query) = uri.query() {
        path::check_query(query).map_err(Refusal::Path)?;
    }
    if let Some(name) = headers::doubled(request.headers()) {
        return Err(Refusal::BadRequest(
            "request.header_twice",
            format!("The header {name} is given more than once."),
        ));
    }
    let host = match request.version() {
        Version::HTTP_2 => uri.authority().map(|authority| authority.as_str()),
        _ => request
            .headers()
            .get(header::HOST)
            .and_then(|value| value.to_str().ok()),
    };
    if !host_is_fine(host, &shared.hosts) && !path::is_probe(uri.path()) {
        return Err(Refusal::BadRequest(
            "request.host",
            "The Host header is not one that is answered here.".into(),
        ));
    }
    Ok(())
}

fn host_is_fine(host: Option<&str>, allowed: &[String]) -> bool {
    let Some(host) = host else { return false };
    let plain = !host.is_empty()
        && host.bytes().all(|byte| {
            byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b':' | b'[' | b']')
        });
    plain
        && (allowed.is_empty() || {
            let name = host
                .rsplit_once(':')
                .filter(|(_, port)| port.bytes().all(|byte| byte.is_ascii_digit()));
            let name = name.map_or(host, |(name, _)| name).to_ascii_lowercase();
            allowed.contains(&name)
        })
}

fn address(client: IpAddr) -> Vec<u8> {
    match client {
        IpAddr::V4(address) => address.octets().to_vec(),
        // One customer has a whole /64.
        IpAddr::V6(address) => address.octets()[..8].to_vec(),
    }
}

/// A path that no service has: the web application's, or nothing.
async fn unrouted(shared: &Shared, request: &HttpRequest, context: &Context) -> Outcome {
    let own = |answer, name| Outcome {
        answer,
        label: Label::Own(name),
    };
    let path = request.uri().path();
    let id = context.request_id.as_str();
    if is_api(path) || !matches!(*request.method(), Method::GET | Method::HEAD) {
        return own(Refusal::NotFound.answer(None, id), "unmatched");
    }
    if shared.site.exists() {
        let answer = shared.site.answer(request).await;
        return own(
            answer.unwrap_or_else(|| Refusal::NotFound.answer(None, id)),
            "web",
        );
    }
    if path == "/" {
        own(first::page(shared.settings.is_development()), "web")
    } else {
        own(Refusal::NotFound.answer(None, id), "web")
    }
}

/// A request on a route: who, how often, how large, and on.
async fn routed(
    worker: &Worker,
    route: &Arc<Route>,
    request: &HttpRequest,
    payload: Payload,
    context: &Context,
) -> Result<HttpResponse, Refusal> {
    let shared = &worker.shared;
    let upgrade = is_upgrade(request) || request.headers().contains_key(header::UPGRADE);
    if route.websocket {
        if !upgrade || !asks_for_websocket(request) || request.method() != Method::GET {
            return Err(Refusal::UpgradeRequired);
        }
        if shared.cors.origin(request) == Origin::Foreign {
            return Err(Refusal::Forbidden("request.origin"));
        }
    } else if asks_for_websocket(request) {
        return Err(Refusal::BadRequest(
            "request.upgrade",
            "There is no WebSocket at this address.".into(),
        ));
    }
    let Admitted {
        caller,
        authorization,
    } = admit(route, request, &shared.verifier).await?;
    for policy in &route.limits {
        let subject = match policy.by {
            LimitBy::Ip => None,
            LimitBy::Caller => caller.subject(),
            LimitBy::Organization => caller
                .organization()
                .map(|id| id.as_bytes().to_vec())
                .or_else(|| caller.subject()),
        };
        let subject = subject.unwrap_or_else(|| address(context.client));
        shared
            .limits
            .check(policy, &subject)
            .await
            .map_err(Refusal::Throttled)?;
    }
    if route.websocket {
        return websocket::join(worker, route, request, payload, context, &authorization).await;
    }
    let length = check_body(request, route)?;
    forward(
        worker,
        route,
        request,
        payload,
        length,
        context,
        &authorization,
    )
    .await
}
