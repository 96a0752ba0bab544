//! The walk of every request through the gateway, on one screen.

use std::cell::RefCell;
use std::panic::AssertUnwindSafe;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use actix_http::{HttpMessage as _, Request as ClientRequest};
use actix_web::HttpResponse;
use actix_web::http::{Method, Version, header};
use arc_swap::ArcSwap;
use futures_util::FutureExt as _;
use service_auth::Verifier;
use service_telemetry::RequestId;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use crate::auth::{Admitted, admit};
use crate::cidr::Block;
use crate::door::address::Address;
use crate::door::context::{Context, Voucher};
use crate::door::cors::{Cors, Origin};
use crate::door::head;
use crate::door::hold::Held;
use crate::door::meter::Meter;
use crate::door::security;
use crate::forward::{asks_for_websocket, check_body, forward, is_upgrade};
use crate::health::Platform;
use crate::limits::{Limits, Standing};
use crate::pages::documents::Documents;
use crate::pages::files::Site;
use crate::pages::first;
use crate::pages::own::{is_own, own_page};
use crate::refusal::Refusal;
use crate::routes::{Found, LimitBy, Route, RouteTable, is_api};
use crate::settings::{AccessLog, Settings};
use crate::tls::Certificates;
use crate::upstream::Upstreams;
use crate::upstream::pool::Pool;
use crate::wire::flow::ClientBody;
use crate::{headers, websocket};

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
    /// The certificate in force; `None` for plain HTTP.
    pub certificates: Option<Arc<Certificates>>,
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
    /// Where bytes of WebSockets stand while they pass.
    pub space: RefCell<Box<[u8]>>,
}

impl Worker {
    /// The trace context that the service continues when the call is recorded here.
    pub fn recorded_traceparent(&self, context: &Context) -> Option<String> {
        if self.records(context) {
            service_telemetry::current_traceparent()
        } else {
            None
        }
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

/// Answers one request. A panic is this request's alone: it is answered with 500 and the connection ends.
pub async fn handle(worker: &Worker, request: &ClientRequest, body: ClientBody) -> HttpResponse {
    // What a panic may leave half done is this request's own, or behind locks that the next holder finds whole.
    match AssertUnwindSafe(answer(worker, request, body))
        .catch_unwind()
        .await
    {
        Ok(answer) => answer,
        Err(_) => {
            // The panic hook has logged where; this says for whom.
            let id = RequestId::fresh();
            metrics::counter!("gateway_panics_total").increment(1);
            tracing::error!(request_id = id.as_str(), "a request ended in a panic");
            let mut answer = Refusal::Internal.answer(None, id.as_str());
            if let Ok(id) = header::HeaderValue::from_str(id.as_str()) {
                answer
                    .headers_mut()
                    .insert(headers::X_REQUEST_ID.clone(), id);
            }
            answer
        }
    }
}

async fn answer(worker: &Worker, request: &ClientRequest, body: ClientBody) -> HttpResponse {
    let started = Instant::now();
    let shared = &worker.shared;
    let context = Context::of(request, &shared.trusted, shared.settings.traces.ratio);
    let (held, body) = if request.headers().contains_key(header::TRANSFER_ENCODING) {
        let mut held = None;
        let body = body.map(|payload| {
            let (kept, payload) = Held::new(payload);
            held = Some(kept);
            payload
        });
        (held, body)
    } else {
        (None, body)
    };
    let walk = walk(worker, request, body, &context);
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
    let outgoing = answer.headers_mut();
    security::apply(outgoing, https, development_page);
    shared.cors.mark(request, outgoing);
    if let Ok(id) = header::HeaderValue::from_str(context.request_id.as_str()) {
        outgoing.insert(headers::X_REQUEST_ID.clone(), id);
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
    request: &ClientRequest,
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
    request: &ClientRequest,
    body: ClientBody,
    context: &Context,
) -> Outcome {
    let shared = &worker.shared;
    let own = |answer, name| Outcome {
        answer,
        label: Label::Own(name),
    };
    let refuse =
        |refusal: Refusal, name| own(refusal.answer(None, context.request_id.as_str()), name);
    if let Err(refusal) = head::check(&shared.hosts, request) {
        return refuse(refusal, "refused");
    }
    if let Some(answer) = shared.cors.preflight(request) {
        return own(answer, "preflight");
    }
    let path = request.uri().path();
    if is_own(path) {
        let (answer, name) = Box::pin(own_page(worker, request, context)).await;
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
        return Box::pin(unrouted(shared, request, context)).await;
    };
    let every_call = table.every_call().cloned();
    drop(table);
    let mut standing = None;
    if let Some(policy) = every_call {
        let address = Address::of(context.client);
        match shared.limits.check(&policy, address.as_bytes()).await {
            Ok(left) => standing = left,
            Err(denied) => return refused(&route, Refusal::Throttled(denied), context),
        }
    }
    match routed(worker, &route, request, body, context, &mut standing).await {
        Ok(mut answer) => {
            if let Some(standing) = standing {
                standing.write(answer.headers_mut());
            }
            Outcome {
                answer,
                label: Label::Route(route),
            }
        }
        Err(refusal) => refused(&route, refusal, context),
    }
}

fn refused(route: &Arc<Route>, refusal: Refusal, context: &Context) -> Outcome {
    Outcome {
        answer: refusal.answer(Some(route), context.request_id.as_str()),
        label: Label::Route(Arc::clone(route)),
    }
}

/// A path that no service has: the web application's, or nothing.
async fn unrouted(shared: &Shared, request: &ClientRequest, context: &Context) -> Outcome {
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

/// A request on a route: who, how often, how large, and on. `standing` becomes that of the tightest limit.
async fn routed(
    worker: &Worker,
    route: &Arc<Route>,
    request: &ClientRequest,
    body: ClientBody,
    context: &Context,
    standing: &mut Option<Standing>,
) -> Result<HttpResponse, Refusal> {
    let shared = &worker.shared;
    if route.websocket {
        let can_join = body.is_socket() && request.version() == Version::HTTP_11;
        if !can_join || !is_upgrade(request) || request.method() != Method::GET {
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
    let address = Address::of(context.client);
    for policy in &route.limits {
        let subject = match policy.by {
            LimitBy::Ip => None,
            LimitBy::Caller => caller.subject(),
            LimitBy::Organization => caller.organization().or_else(|| caller.subject()),
        };
        let left = shared
            .limits
            .check(policy, subject.unwrap_or(address.as_bytes()))
            .await
            .map_err(Refusal::Throttled)?;
        *standing = Standing::tighter(standing.take(), left);
    }
    if route.websocket {
        return Box::pin(websocket::join(
            worker,
            route,
            request,
            context,
            &authorization,
        ))
        .await;
    }
    let length = check_body(request, route)?;
    forward(
        worker,
        route,
        request,
        body,
        length,
        context,
        &authorization,
    )
    .await
}
