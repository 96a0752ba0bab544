//! What a request leaves behind: its id, its trace, its metrics.
#![allow(clippy::unwrap_used)]

use actix_web::{App, HttpResponse, test, web};
use service_telemetry::*;

const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

async fn seen() -> HttpResponse {
    let mut headers = reqwest::header::HeaderMap::new();
    inject_headers(&mut headers);
    let text = |name: &str| headers.get(name).map(|v| v.to_str().unwrap().to_owned());
    HttpResponse::Ok().json(serde_json::json!({
        "traceparent": text("traceparent"), "request_id": text("x-request-id"), "current": current_request_id(),
    }))
}

async fn call(
    id: Option<&str>,
    parent: Option<&str>,
    path: &str,
) -> (Option<String>, u16, serde_json::Value) {
    init_for_tests();
    let app = test::init_service(
        App::new()
            .wrap(RequestTracing::new("svc"))
            .route("/people/{phone}/", web::get().to(seen)),
    )
    .await;
    let mut request = test::TestRequest::get().uri(path);
    if let Some(id) = id {
        request = request.insert_header(("X-Request-ID", id));
    }
    if let Some(parent) = parent {
        request = request.insert_header(("traceparent", parent));
    }
    let response = test::call_service(&app, request.to_request()).await;
    let id = response
        .headers()
        .get("x-request-id")
        .map(|v| v.to_str().unwrap().to_owned());
    let status = response.status().as_u16();
    let body = test::read_body(response).await;
    (
        id,
        status,
        serde_json::from_slice(&body).unwrap_or_default(),
    )
}

#[actix_web::test]
async fn a_good_request_id_is_echoed_and_passed_on() {
    let (id, _, body) = call(Some("abc-123"), None, "/people/1/").await;
    assert_eq!(id.as_deref(), Some("abc-123"));
    assert_eq!(body["request_id"], "abc-123");
    assert_eq!(body["current"], "abc-123");
}

#[actix_web::test]
async fn a_bad_or_absent_request_id_is_replaced() {
    for given in [None, Some("a b"), Some("x\"y")] {
        let (id, _, body) = call(given, None, "/people/1/").await;
        let id = id.unwrap();
        assert_eq!(id.len(), 36);
        assert_eq!(body["request_id"], id);
    }
}

#[actix_web::test]
async fn the_callers_trace_goes_on_with_a_new_span() {
    let (_, _, body) = call(None, Some(PARENT), "/people/1/").await;
    let out = body["traceparent"].as_str().unwrap();
    assert_eq!(&out[3..35], &PARENT[3..35]);
    assert_ne!(&out[36..52], &PARENT[36..52]);
}

#[actix_web::test]
async fn metrics_know_the_pattern_and_never_the_path() {
    call(None, None, "/people/09121234567/").await;
    let (_, status, _) = call(None, None, "/nowhere/09121234567/").await;
    assert_eq!(status, 404);
    let text = metrics_text();
    assert!(
        text.contains("http_requests_total") && text.contains("route=\"/people/{phone}/\""),
        "{text}"
    );
    assert!(
        text.contains("route=\"unmatched\"")
            && text.contains("http_request_duration_seconds_bucket")
    );
    assert!(!text.contains("09121234567"));
}

#[std::prelude::v1::test]
fn a_message_continues_the_trace_it_was_emitted_in() {
    init_for_tests();
    let span = span_from_traceparent("consume x", Some(PARENT));
    let inside = span.in_scope(current_traceparent).unwrap();
    assert_eq!(&inside[3..35], &PARENT[3..35]);
    let fresh = span_from_traceparent("consume x", None)
        .in_scope(current_traceparent)
        .unwrap();
    assert_ne!(&fresh[3..35], &PARENT[3..35]);
    assert_eq!(current_traceparent(), None);
}
