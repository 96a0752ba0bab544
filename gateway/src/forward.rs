//! A request to a service and its answer back: re-serialised on both sides, streamed, nothing buffered.

use std::fmt::Write as _;
use std::rc::Rc;

use actix_http::{HttpMessage as _, Request as ClientRequest};
use actix_web::HttpResponse;
use actix_web::body::{BodySize, BoxBody};
use actix_web::http::header::HeaderValue;
use actix_web::http::{Method, StatusCode, Version, header};
use bytes::BytesMut;
use tokio::time::Instant;

use crate::auth::Authorization;
use crate::door::context::Context;
use crate::handler::Worker;
use crate::headers::{may_enter, named_in_connection};
use crate::refusal::Refusal;
use crate::routes::{Retry, Route};
use crate::upstream::answer::{Head, Length};
use crate::upstream::body::{BodyFailure, BodyRules, BodyState, GuardedBody, RequestBody};
use crate::upstream::download::{AnswerBody, Lease};
use crate::upstream::send::{Outgoing, SendError, send};
use crate::wire::flow::ClientBody;

/// The header under which the gateway vouches for the client's address.
pub const CLIENT_IP: &str = service_auth::client_ip::HEADER;

/// So much of a body is waited for before a service is called: most JSON bodies are whole then, and a client that
/// drips holds no place at the service.
const SETTLED_BYTES: usize = 8 * 1024;

/// Checks what the head says about the body.
///
/// # Errors
/// 415 for a compressed body, 413 for one that announces too much.
pub fn check_body(request: &ClientRequest, route: &Route) -> Result<Option<u64>, Refusal> {
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

/// Writes the head of the request as the service gets it: our own bytes, nothing copied that was not looked at.
/// Method, target and values were read by parsers that let no control byte pass (Q-G2, Q-G3).
pub fn write_head(
    out: &mut BytesMut,
    worker: &Worker,
    request: &ClientRequest,
    context: &Context,
    authorization: &Authorization,
    behind: Behind,
) {
    out.extend_from_slice(request.method().as_str().as_bytes());
    out.extend_from_slice(b" ");
    let target = request.uri().path_and_query();
    out.extend_from_slice(target.map_or("/", |target| target.as_str()).as_bytes());
    out.extend_from_slice(b" HTTP/1.1\r\n");
    let mut line = |name: &str, value: &[u8]| {
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b": ");
        out.extend_from_slice(value);
        out.extend_from_slice(b"\r\n");
    };
    if let Some(host) = host(request) {
        line("host", host);
    }
    let named = named_in_connection(request.headers());
    for (name, value) in request.headers() {
        let name = name.as_str();
        let ours = name == "authorization" && *authorization != Authorization::Keep;
        if !ours && may_enter(name) && !named.iter().any(|other| other == name) {
            line(name, value.as_bytes());
        }
    }
    if let Authorization::Write(text) = authorization
        && HeaderValue::from_str(text).is_ok()
    {
        line("authorization", text.as_bytes());
    }
    if let Some(value) = worker.voucher.header(context.client) {
        line(CLIENT_IP, value.as_bytes());
    }
    line("x-request-id", context.request_id.as_str().as_bytes());
    match worker.recorded_traceparent(context) {
        Some(recorded) => line("traceparent", recorded.as_bytes()),
        None => line("traceparent", &context.trace.header()),
    }
    // Writing to a buffer that grows cannot fail.
    let _ = match behind {
        Behind::Nothing => out.write_str("\r\n"),
        Behind::Bytes(length) => write!(out, "content-length: {length}\r\n\r\n"),
        Behind::Chunks => out.write_str("transfer-encoding: chunked\r\n\r\n"),
        Behind::Frames => out.write_str("connection: upgrade\r\nupgrade: websocket\r\n\r\n"),
    };
}

/// What a head says about the bytes behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Behind {
    /// Nothing: the call has no body.
    Nothing,
    /// So many bytes.
    Bytes(u64),
    /// Chunks.
    Chunks,
    /// A WebSocket's frames, when the service agrees.
    Frames,
}

impl Behind {
    fn of(request: &ClientRequest, body: &RequestBody) -> Self {
        match body.length() {
            Some(0) if matches!(*request.method(), Method::GET | Method::HEAD) => Self::Nothing,
            Some(length) => Self::Bytes(length),
            None => Self::Chunks,
        }
    }
}

fn host(request: &ClientRequest) -> Option<&[u8]> {
    if request.version() < Version::HTTP_2 {
        return Some(request.headers().get(header::HOST)?.as_bytes());
    }
    Some(request.uri().authority()?.as_str().as_bytes())
}

/// Passes a request on and brings its answer.
///
/// # Errors
/// What the client is told when no answer came: 408, 413, 502, 503, 504, or 400 when its body broke off.
pub async fn forward(
    worker: &Worker,
    route: &Route,
    request: &ClientRequest,
    body: ClientBody,
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
        let mut guarded = GuardedBody::new(
            body,
            length,
            BodyRules {
                most: route.body_bytes,
                deadline: route.body_timeout,
                grace: std::time::Duration::from_millis(settings.clients.rate_grace_ms),
                minimum_rate: settings.clients.minimum_rate_bytes,
            },
        );
        let state = guarded.state();
        match guarded.settle(SETTLED_BYTES).await {
            Ok(true) => (RequestBody::Whole(guarded.into_whole()), None),
            Ok(false) => (RequestBody::Client(guarded), Some(state)),
            Err(failure) => return Err(given_up(route, failure)),
        }
    } else {
        (RequestBody::Empty, None)
    };
    let repeatable = route.retry == Retry::Safe
        && (safe
            || request
                .headers()
                .contains_key(&crate::headers::IDEMPOTENCY_KEY));
    let write = |out: &mut BytesMut, body: &RequestBody| {
        let behind = Behind::of(request, body);
        write_head(out, worker, request, context, authorization, behind);
    };
    let outgoing = Outgoing {
        head: &write,
        head_only: request.method() == Method::HEAD,
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

/// What the client is told about its body.
fn given_up(route: &Route, failure: BodyFailure) -> Refusal {
    match failure {
        BodyFailure::TooLarge => Refusal::TooLarge(route.body_bytes),
        BodyFailure::TooSlow => Refusal::TooSlow,
        BodyFailure::Broken => {
            Refusal::BadRequest("request.body_broken", "The request body broke off.".into())
        }
    }
}

/// What a failed call means for the client.
fn explain(route: &Route, upload: Option<&Rc<BodyState>>, error: SendError) -> Refusal {
    if let Some(state) = upload {
        match state.failure() {
            Some(failure) => return given_up(route, failure),
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
fn back(worker: &Worker, request: &ClientRequest, answer: Head, mut lease: Lease) -> HttpResponse {
    let Head {
        response,
        mut length,
        announced,
        ..
    } = answer;
    let size = size(request, response.status(), length, announced);
    if matches!(size, BodySize::Sized(_))
        && request.method() != Method::HEAD
        && let Some(whole) = lease.link.whole(&mut length)
    {
        lease.give_back();
        return response.set_body(BoxBody::new(whole));
    }
    let stall = std::time::Duration::from_millis(worker.shared.settings.upstream.stall_ms);
    response.set_body(BoxBody::new(AnswerBody::new(lease, length, size, stall)))
}

fn size(
    request: &ClientRequest,
    status: StatusCode,
    length: Length,
    announced: Option<u64>,
) -> BodySize {
    if matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
        || status.is_informational()
    {
        return BodySize::None;
    }
    if request.method() == Method::HEAD {
        return announced.map_or(BodySize::None, BodySize::Sized);
    }
    match length {
        Length::Bytes(bytes) => BodySize::Sized(bytes),
        Length::Chunked(_) | Length::Close => BodySize::Stream,
    }
}

/// Whether the request asks for a WebSocket.
pub fn asks_for_websocket(request: &ClientRequest) -> bool {
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
pub fn is_upgrade(request: &ClientRequest) -> bool {
    request.head().upgrade()
}
