//! A request to a service and its answer back: re-serialised on both sides, streamed, nothing buffered.

use std::rc::Rc;

use actix_web::body::BodySize;
use actix_web::dev::Payload;
use actix_web::http::{Method, StatusCode, Version, header};
use actix_web::{HttpRequest, HttpResponse};
use http::{HeaderMap, HeaderName, HeaderValue, Request};
use hyper::body::{Body, Incoming};
use tokio::time::Instant;

use crate::auth::Authorization;
use crate::door::context::Context;
use crate::handler::Worker;
use crate::headers::{may_enter, may_leave, named_in_connection};
use crate::refusal::Refusal;
use crate::routes::{Retry, Route};
use crate::upstream::body::{
    AnswerBody, BodyFailure, BodyRules, BodyState, GuardedBody, Lease, RequestBody,
};
use crate::upstream::send::{Outgoing, SendError, send};

/// The header under which the gateway vouches for the client's address.
pub const CLIENT_IP: HeaderName = HeaderName::from_static(service_auth::client_ip::HEADER);

/// Checks what the head says about the body.
///
/// # Errors
/// 415 for a compressed body, 413 for one that announces too much.
pub fn check_body(request: &HttpRequest, route: &Route) -> Result<Option<u64>, Refusal> {
    if let Some(encoding) = request.headers().get(header::CONTENT_ENCODING) {
        let text = encoding.to_str().unwrap_or("unknown");
        if !text.trim().eq_ignore_ascii_case("identity") {
            let shown: String = text
                .chars()
                .filter(char::is_ascii_graphic)
                .take(40)
                .collect();
            return Err(Refusal::Encoding(shown));
        }
    }
    let length = request
        .headers()
        .get(header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok())
        .and_then(|text| text.trim().parse::<u64>().ok());
    match length {
        Some(length) if length > route.body_bytes => Err(Refusal::TooLarge(route.body_bytes)),
        length => Ok(length),
    }
}

/// The head of the request as the service gets it: our own bytes, nothing copied that was not looked at.
pub fn head(
    worker: &Worker,
    request: &HttpRequest,
    context: &Context,
    authorization: &Authorization,
) -> Request<()> {
    let mut outgoing = Request::new(());
    *outgoing.method_mut() =
        http::Method::from_bytes(request.method().as_str().as_bytes()).unwrap_or(http::Method::GET);
    *outgoing.uri_mut() = target(request);
    let named = named_in_connection(request.headers());
    let headers = outgoing.headers_mut();
    headers.reserve(request.headers().len() + 6);
    for (name, value) in request.headers() {
        let name = name.as_str();
        if !may_enter(name) || named.iter().any(|other| other == name) {
            continue;
        }
        if name == "authorization" && *authorization != Authorization::Keep {
            continue;
        }
        // Both libraries hold the same rules for names and values, so nothing is lost here.
        if let (Ok(name), Ok(value)) = (
            HeaderName::from_bytes(name.as_bytes()),
            HeaderValue::from_bytes(value.as_bytes()),
        ) {
            headers.append(name, value);
        }
    }
    if let Authorization::Write(text) = authorization
        && let Ok(value) = HeaderValue::from_str(text)
    {
        headers.insert(http::header::AUTHORIZATION, value);
    }
    if let Some(host) = host(request) {
        headers.insert(http::header::HOST, host);
    }
    if let Some(value) = worker.voucher.header(context.client) {
        headers.insert(CLIENT_IP, value);
    }
    if let Ok(value) = HeaderValue::from_str(context.request_id.as_str()) {
        headers.insert(HeaderName::from_static("x-request-id"), value);
    }
    if let Ok(value) = HeaderValue::from_str(&worker.traceparent(context)) {
        headers.insert(HeaderName::from_static("traceparent"), value);
    }
    outgoing
}

/// Path and query, which were checked to be canonical ASCII.
fn target(request: &HttpRequest) -> http::Uri {
    let uri = request.uri();
    let text = uri.path_and_query().map_or("/", |target| target.as_str());
    http::Uri::try_from(text).unwrap_or_else(|_| http::Uri::from_static("/"))
}

fn host(request: &HttpRequest) -> Option<HeaderValue> {
    if request.version() < Version::HTTP_2 {
        let value = request.headers().get(header::HOST)?;
        return HeaderValue::from_bytes(value.as_bytes()).ok();
    }
    let authority = request.uri().authority()?;
    HeaderValue::from_str(authority.as_str()).ok()
}

/// Passes a request on and brings its answer.
///
/// # Errors
/// What the client is told when no answer came: 408, 413, 502, 503, 504, or 400 when its body broke off.
pub async fn forward(
    worker: &Worker,
    route: &Route,
    request: &HttpRequest,
    payload: Payload,
    length: Option<u64>,
    context: &Context,
    authorization: &Authorization,
) -> Result<HttpResponse, Refusal> {
    let settings = &worker.shared.settings;
    // HTTP/2 says nothing in the head about a body of unknown length; reads have none.
    let safe = matches!(*request.method(), Method::GET | Method::HEAD);
    let has_body = length.is_some_and(|length| length > 0)
        || request.headers().contains_key(header::TRANSFER_ENCODING)
        || (request.version() == Version::HTTP_2 && length.is_none() && !safe);
    let (body, upload) = if has_body {
        let guarded = GuardedBody::new(
            payload,
            length,
            BodyRules {
                most: route.body_bytes,
                deadline: route.body_timeout,
                grace: std::time::Duration::from_millis(settings.clients.rate_grace_ms),
                minimum_rate: settings.clients.minimum_rate_bytes,
            },
        );
        let state = guarded.state();
        (RequestBody::Client(guarded), Some(state))
    } else {
        (RequestBody::Empty, None)
    };
    let repeatable =
        route.retry == Retry::Safe && (safe || request.headers().contains_key("idempotency-key"));
    let make_head = || head(worker, request, context, authorization);
    let outgoing = Outgoing {
        head: &make_head,
        body,
        repeatable,
        retries: settings.upstream.retries,
        deadline: Instant::now() + route.timeout,
    };
    let service = worker.shared.upstreams.get(route.service);
    match send(service, &worker.pool, outgoing).await {
        Ok((answer, lease)) => Ok(back(worker, request, answer, lease)),
        Err(error) => Err(explain(route, upload.as_ref(), error)),
    }
}

/// What a failed call means for the client.
fn explain(route: &Route, upload: Option<&Rc<BodyState>>, error: SendError) -> Refusal {
    if let Some(state) = upload {
        match state.failure() {
            Some(BodyFailure::TooLarge) => return Refusal::TooLarge(route.body_bytes),
            Some(BodyFailure::TooSlow) => return Refusal::TooSlow,
            Some(BodyFailure::Broken) => {
                return Refusal::BadRequest(
                    "request.body_broken",
                    "The request body broke off.".into(),
                );
            }
            None if error == SendError::Timeout && !state.is_done() => return Refusal::TooSlow,
            None => {}
        }
    }
    let service = route.service_name();
    metrics::counter!("gateway_upstream_failures_total", "service" => service, "reason" => reason(error)).increment(1);
    match error {
        SendError::Busy => Refusal::Unavailable(service, 1),
        SendError::NoInstance => Refusal::Unavailable(service, 2),
        SendError::Connect | SendError::Broken => Refusal::BadGateway(service),
        SendError::Timeout => Refusal::Timeout(service),
    }
}

fn reason(error: SendError) -> &'static str {
    match error {
        SendError::Busy => "bulkhead",
        SendError::NoInstance => "no_instance",
        SendError::Connect => "connect",
        SendError::Broken => "broken",
        SendError::Timeout => "timeout",
    }
}

/// The service's answer, with our framing.
fn back(
    worker: &Worker,
    request: &HttpRequest,
    answer: hyper::Response<Incoming>,
    lease: Lease,
) -> HttpResponse {
    let (parts, incoming) = answer.into_parts();
    let status = StatusCode::from_u16(parts.status.as_u16()).unwrap_or(StatusCode::BAD_GATEWAY);
    let size = size(request, status, &parts.headers, &incoming);
    let mut response = HttpResponse::build(status);
    copy_back(&parts.headers, &mut response);
    let stall = std::time::Duration::from_millis(worker.shared.settings.upstream.stall_ms);
    response.body(AnswerBody::new(incoming, size, lease, stall))
}

/// Copies the headers that may leave.
pub fn copy_back(headers: &HeaderMap, response: &mut actix_web::HttpResponseBuilder) {
    for (name, value) in headers {
        if may_leave(name.as_str())
            && let (Ok(name), Ok(value)) = (
                header::HeaderName::from_bytes(name.as_str().as_bytes()),
                header::HeaderValue::from_bytes(value.as_bytes()),
            )
        {
            response.append_header((name, value));
        }
    }
}

fn size(
    request: &HttpRequest,
    status: StatusCode,
    headers: &HeaderMap,
    incoming: &Incoming,
) -> BodySize {
    if matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
        || status.is_informational()
    {
        return BodySize::None;
    }
    if request.method() == Method::HEAD {
        let announced = headers
            .get(http::header::CONTENT_LENGTH)
            .and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
        return announced.map_or(BodySize::None, BodySize::Sized);
    }
    incoming
        .size_hint()
        .exact()
        .map_or(BodySize::Stream, BodySize::Sized)
}

/// Whether the request asks for a WebSocket.
pub fn asks_for_websocket(request: &HttpRequest) -> bool {
    request
        .headers()
        .get(header::UPGRADE)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|text| {
            text.split(',')
                .any(|token| token.trim().eq_ignore_ascii_case("websocket"))
        })
}

/// Whether the connection was asked to be upgraded at all.
pub fn is_upgrade(request: &HttpRequest) -> bool {
    request.head().upgrade()
}
