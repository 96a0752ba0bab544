//! Routes of the gateway itself: health, metrics, documents, status.

use std::net::IpAddr;

use actix_web::http::{Method, header};
use actix_web::{HttpRequest, HttpResponse};

use super::documents;
use crate::door::context::Context;
use crate::handler::{Shared, Worker};
use crate::health;
use crate::refusal::Refusal;

/// Pages and machine routes of the gateway itself.
pub async fn own_page(
    worker: &Worker,
    request: &HttpRequest,
    context: &Context,
) -> Option<(HttpResponse, &'static str)> {
    let shared = &worker.shared;
    let path = request.uri().path();
    let path = if path.len() > 1 {
        path.trim_end_matches('/')
    } else {
        path
    };
    let known = matches!(
        path,
        "/health" | "/health/live" | "/health/ready" | "/metrics" | "/openapi.json" | "/api/status"
    ) || path == "/api/docs"
        || path.starts_with("/api/docs/");
    if !known {
        return None;
    }
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let refusal = Refusal::MethodNotAllowed(
            request.method().to_string(),
            ["GET", "HEAD"].into_iter().collect(),
        );
        return Some((
            refusal.answer(None, context.request_id.as_str()),
            "unmatched",
        ));
    }
    Some(match path {
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
        _ => {
            let page = documents::swagger(request)
                .unwrap_or_else(|| Refusal::NotFound.answer(None, context.request_id.as_str()));
            (page, "/api/docs")
        }
    })
}

/// Whether a request comes from the installation's own network, not through a proxy from outside.
fn is_inside(request: &HttpRequest, client: IpAddr) -> bool {
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

async fn operators_only(shared: &Shared, request: &HttpRequest, context: &Context) -> HttpResponse {
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
