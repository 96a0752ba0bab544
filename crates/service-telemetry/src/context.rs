//! W3C trace context in and out of this process.

use crate::request_id::{REQUEST_ID_HEADER, current_request_id};
use opentelemetry::{Context, global, propagation::Extractor};
use opentelemetry_http::HeaderInjector;
use reqwest::{
    RequestBuilder,
    header::{HeaderMap, HeaderValue},
};
use std::collections::HashMap;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

/// Puts the current trace context and request id into the headers of an outgoing call.
pub fn inject_headers(headers: &mut HeaderMap) {
    let context = Span::current().context();
    global::get_text_map_propagator(|p| p.inject_context(&context, &mut HeaderInjector(headers)));
    if let Some(id) = current_request_id()
        && let Ok(value) = HeaderValue::from_str(&id)
    {
        headers.insert(REQUEST_ID_HEADER, value);
    }
}

/// `builder` with the current trace context and request id.
pub fn traced(builder: RequestBuilder) -> RequestBuilder {
    let mut headers = HeaderMap::new();
    inject_headers(&mut headers);
    builder.headers(headers)
}

/// The current W3C `traceparent`, to be kept in an outbox row; `None` outside of a trace.
#[must_use]
pub fn current_traceparent() -> Option<String> {
    let mut carrier: HashMap<String, String> = HashMap::new();
    let context = Span::current().context();
    global::get_text_map_propagator(|p| p.inject_context(&context, &mut carrier));
    carrier.remove("traceparent")
}

/// A span called `name` that continues the trace of `traceparent`, or begins a new one.
#[must_use]
pub fn span_from_traceparent(name: &str, traceparent: Option<&str>) -> Span {
    let span = tracing::info_span!("message", otel.name = name, otel.kind = "consumer");
    if let Some(parent) = traceparent {
        let carrier = HashMap::from([("traceparent".to_owned(), parent.to_owned())]);
        adopt(&span, &carrier);
    }
    span
}

/// A span of one HTTP call called `name` that continues the trace of `traceparent`, or begins a new one.
#[must_use]
pub fn server_span(name: &str, traceparent: Option<&str>) -> Span {
    let span = tracing::info_span!("request", otel.name = name, otel.kind = "server");
    if let Some(parent) = traceparent {
        let carrier = HashMap::from([("traceparent".to_owned(), parent.to_owned())]);
        adopt(&span, &carrier);
    }
    span
}

/// Makes the remote context found in `carrier` the parent of `span`.
pub(crate) fn adopt(span: &Span, carrier: &dyn Extractor) {
    let context: Context = global::get_text_map_propagator(|p| p.extract(carrier));
    // Fails only when the span is disabled or no trace layer is installed; then there is no trace to join.
    let _ = span.set_parent(context);
}
