//! The actix middleware: request id, trace parent, one span and one log line per request, and the HTTP metrics.

use crate::{
    context::adopt,
    init::service_name,
    request_id::{CURRENT, REQUEST_ID_HEADER, RequestId},
};
use actix_web::{
    Error, HttpMessage as _,
    body::MessageBody,
    dev::{Service, ServiceRequest, ServiceResponse, Transform, forward_ready},
    http::{
        Method,
        header::{HeaderMap, HeaderName, HeaderValue},
    },
};
use futures_util::future::{LocalBoxFuture, Ready, ready};
use opentelemetry::{propagation::Extractor, trace::TraceContextExt as _};
use std::{rc::Rc, time::Instant};
use tracing::{Instrument as _, Span, field::Empty};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

/// Wrap an `App` with it, outermost.
#[derive(Debug, Clone, Default)]
pub struct RequestTracing {
    service: Option<String>,
}

impl RequestTracing {
    /// Metrics and spans carry `service`; [`Default`] takes the name given to [`crate::init`].
    #[must_use]
    pub fn new(service: impl Into<String>) -> Self {
        Self {
            service: Some(service.into()),
        }
    }
}

impl<S, B> Transform<S, ServiceRequest> for RequestTracing
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse<B>;
    type Error = Error;
    type Transform = RequestTracingService<S>;
    type InitError = ();
    type Future = Ready<Result<Self::Transform, ()>>;

    fn new_transform(&self, service: S) -> Self::Future {
        let name: Rc<str> = self
            .service
            .as_deref()
            .unwrap_or_else(|| service_name())
            .into();
        ready(Ok(RequestTracingService {
            service: Rc::new(service),
            name,
        }))
    }
}

/// The running form of [`RequestTracing`].
#[derive(Debug)]
pub struct RequestTracingService<S> {
    service: Rc<S>,
    name: Rc<str>,
}

impl<S, B> Service<ServiceRequest> for RequestTracingService<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse<B>;
    type Error = Error;
    type Future = LocalBoxFuture<'static, Result<Self::Response, Self::Error>>;

    forward_ready!(service);

    fn call(&self, req: ServiceRequest) -> Self::Future {
        let started = Instant::now();
        let id = req
            .headers()
            .get(REQUEST_ID_HEADER)
            .and_then(|v| v.to_str().ok())
            .and_then(RequestId::accept)
            .unwrap_or_else(RequestId::fresh);
        req.extensions_mut().insert(id.clone());
        let method = method_label(req.method());
        let span = request_span(&req, &self.name, method, &id);
        let name = Rc::clone(&self.name);
        let service = Rc::clone(&self.service);
        let header = HeaderValue::from_str(id.as_str());
        let inner = CURRENT.scope(id, async move { service.call(req).await });
        Box::pin(
            async move {
                let mut outcome = inner.await;
                let (status, route) = match &outcome {
                    Ok(res) => (res.status().as_u16(), res.request().match_pattern()),
                    Err(error) => (error.as_response_error().status_code().as_u16(), None),
                };
                if let (Ok(res), Ok(value)) = (&mut outcome, header) {
                    res.headers_mut()
                        .insert(HeaderName::from_static(REQUEST_ID_HEADER), value);
                }
                finish(
                    &name,
                    method,
                    route.as_deref().unwrap_or("unmatched"),
                    status,
                    started,
                );
                outcome
            }
            .instrument(span),
        )
    }
}

fn request_span(req: &ServiceRequest, service: &str, method: &'static str, id: &RequestId) -> Span {
    let span = tracing::info_span!(
        "request",
        otel.name = Empty,
        otel.kind = "server",
        otel.status_code = Empty,
        service,
        http.request.method = method,
        http.route = Empty,
        http.response.status_code = Empty,
        request_id = id.as_str(),
        trace_id = Empty,
    );
    adopt(&span, &Carrier(req.headers()));
    let trace_id = span.context().span().span_context().trace_id();
    if trace_id != opentelemetry::TraceId::INVALID {
        span.record("trace_id", trace_id.to_string());
    }
    span
}

fn finish(service: &str, method: &'static str, route: &str, status: u16, started: Instant) {
    let elapsed = started.elapsed();
    let span = Span::current();
    span.record("otel.name", format!("{method} {route}"));
    span.record("http.route", route);
    span.record("http.response.status_code", status);
    if status >= 500 {
        span.record("otel.status_code", "ERROR");
    }
    let labels = [
        ("service", service.to_owned()),
        ("route", route.to_owned()),
        ("method", method.to_owned()),
        ("status", status.to_string()),
    ];
    metrics::counter!("http_requests_total", &labels).increment(1);
    metrics::histogram!("http_request_duration_seconds", &labels).record(elapsed.as_secs_f64());
    // Probes and scrapes would drown the rest.
    if !(route.starts_with("/health") || route == "/metrics") {
        tracing::info!(
            status,
            route,
            method,
            duration_ms = elapsed.as_secs_f64() * 1000.0,
            "request"
        );
    }
}

/// Clients choose the method's text; metrics must not grow with it.
fn method_label(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::HEAD => "HEAD",
        Method::OPTIONS => "OPTIONS",
        _ => "OTHER",
    }
}

struct Carrier<'h>(&'h HeaderMap);

impl Extractor for Carrier<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).and_then(|v| v.to_str().ok())
    }
    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(HeaderName::as_str).collect()
    }
}
