//! Routes of the gateway itself: health, metrics, documents, status.

use std::net::IpAddr;

use actix_http::{HttpMessage as _, Request as ClientRequest};
use actix_web::HttpResponse;
use actix_web::http::{Method, header};

use super::{documents, redoc};
use crate::door::context::Context;
use crate::handler::{Shared, Worker};
use crate::health;
use crate::refusal::Refusal;

/// Whether a path is one of the gateway's own. Asked for every request, so it must cost nothing.
pub fn is_own(path: &str) -> bool {
    matches!(
        trimmed(path),
        "/health" | "/health/live" | "/health/ready" | "/metrics" | "/openapi.json" | "/api/status"
    ) || PAGES.iter().any(|page| is_under(path, page))
}

/// Folders of documents.
const PAGES: [&str; 2] = ["/api/docs", "/api/redoc"];

fn is_under(path: &str, folder: &str) -> bool {
    path.strip_prefix(folder)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn trimmed(path: &str) -> &str {
    if path.len() > 1 {
        path.trim_end_matches('/')
    } else {
        path
    }
}

/// Pages and machine routes of the gateway itself: see [`is_own`].
pub async fn own_page(
    worker: &Worker,
    request: &ClientRequest,
    context: &Context,
) -> (HttpResponse, &'static str) {
    let shared = &worker.shared;
    let path = trimmed(request.uri().path());
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let refusal = Refusal::MethodNotAllowed(
            request.method().to_string(),
            ["GET", "HEAD"].into_iter().collect(),
        );
        return (
            refusal.answer(None, context.request_id.as_str()),
            "unmatched",
        );
    }
    match path {
        "/health" => (shared.platform.contexor(shared).await, "/health"),
        "/health/live" => (health::live(), "/health/live"),
        "/health/ready" => (health::ready(shared), "/health/ready"),
        "/metrics" if is_inside(request, context.client) => (metrics_page(), "/metrics"),
        "/openapi.json" => (
            shared
                .documents
                .merged(&shared.table.load(), &shared.upstreams)
                .await,
            "/openapi.json",
        ),
        "/api/status" => (
            operators_only(shared, request, context).await,
            "/api/status",
        ),
        "/metrics" => (
            Refusal::NotFound.answer(None, context.request_id.as_str()),
            "/metrics",
        ),
        _ if is_under(path, "/api/redoc") => {
            let page = redoc::page(request)
                .unwrap_or_else(|| Refusal::NotFound.answer(None, context.request_id.as_str()));
            (page, "/api/redoc")
        }
        _ => {
            let page = documents::swagger(request)
                .unwrap_or_else(|| Refusal::NotFound.answer(None, context.request_id.as_str()));
            (page, "/api/docs")
        }
    }
}

/// Whether a request comes from the installation's own network, not through a proxy from outside.
fn is_inside(request: &ClientRequest, client: IpAddr) -> bool {
    let private = match client {
        IpAddr::V4(address) => address.is_loopback() || address.is_private(),
        IpAddr::V6(address) => address.is_loopback() || address.is_unique_local(),
    };
    private
        && !request.headers().contains_key("x-forwarded-for")
        && !request.headers().contains_key("forwarded")
}

fn metrics_page() -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((
            header::CONTENT_TYPE,
            "text/plain; version=0.0.4; charset=utf-8",
        ))
        .body(service_telemetry::metrics_text())
}

async fn operators_only(
    shared: &Shared,
    request: &ClientRequest,
    context: &Context,
) -> HttpResponse {
    let token = request
        .headers()
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
    let id = context.request_id.as_str();
    match token {
        None => Refusal::NoCredentials.answer(None, id),
        Some(token) => match shared.verifier.verify_access(token).await {
            Ok(claims) if claims.superuser => health::status(shared),
            Ok(_) => Refusal::Forbidden("permission_denied").answer(None, id),
            Err(_) => Refusal::BadToken.answer(None, id),
        },
    }
}
