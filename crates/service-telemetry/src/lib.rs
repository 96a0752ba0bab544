//! Logs, traces and metrics of every Tabib process, and the request id and trace context that travel with HTTP and AMQP.
//!
//! What always holds: a log line or a span names routes by their pattern, never by the path that was asked for, because paths hold phone
//! numbers and tickets; header values other than the request id and the trace parent are never read.

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod context;
mod http;
mod init;
mod request_id;

pub use context::{
    current_traceparent, inject_headers, server_span, span_from_traceparent, traced,
};
pub use http::{RequestTracing, RequestTracingService};
pub use init::{Guard, init, init_for_tests, metrics_text};
pub use request_id::{REQUEST_ID_HEADER, RequestId, current_request_id, with_current_request_id};
