//! Who may call what. The routes come from the API document, and the map of routes is compared with it, so that a new
//! one cannot be forgotten.

use std::collections::BTreeSet;

use common_types::ClinicRole;
use integrations::Integrations;
use reqwest::Method;
use serde_json::{Value, json};
use service_http::ServiceDefinition;

use crate::support::{World, answer};

/// Routes without a token, each with what it asks for instead.
const WITHOUT_TOKEN: [(&str, &str); 4] = [
    ("receive_webhook", "the sender's signature"),
    ("receive_status", "the secret in the address"),
    ("receive_inbound", "the secret in the address"),
    ("redeem_file_ticket", "the ticket in the address"),
];

/// Routes that other services call; the document of the public routes does not show them.
const INTERNAL: [(&str, &str, &str); 4] = [
    ("POST", "/internal/messages/", "create_internal_message"),
    (
        "GET",
        "/internal/credentials/sandbox/",
        "get_internal_credentials",
    ),
    (
        "POST",
        "/internal/ai/generate/",
        "create_internal_generation",
    ),
    ("POST", "/internal/ai/summarize/", "create_internal_summary"),
];

/// Method, path and operation of every documented route; parameters are filled with what is nowhere.
fn documented() -> Vec<(Method, String, String)> {
    let document = serde_json::to_value(Integrations::openapi()).unwrap();
    let mut all = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        let mut filled = String::new();
        let mut rest = path.as_str();
        while let Some((before, after)) = rest.split_once('{') {
            let (name, after) = after.split_once('}').unwrap();
            filled.push_str(before);
            filled.push_str(match name {
                "slug" | "provider" => "sandbox",
                "phone" => "09120000010",
                "endpoint_url" => "payment-status",
                _ => "01900000-0000-7000-8000-000000000009",
            });
            rest = after;
        }
        filled.push_str(rest);
        for (method, operation) in methods.as_object().unwrap() {
            let method = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
            let operation = operation["operationId"].as_str().unwrap().to_owned();
            all.push((method, filled.clone(), operation));
        }
    }
    all
}

/// Every handler that the map of routes names, by its function.
fn routed() -> BTreeSet<&'static str> {
    const MAP: &str = include_str!("../../src/routes.rs");
    MAP.split(".to(")
        .skip(1)
        .map(|rest| {
            let path = rest.split(')').next().unwrap();
            path.rsplit("::").next().unwrap()
        })
        .filter(|handler| !["no_method", "no_route"].contains(handler))
        .collect()
}

#[test]
fn every_route_is_in_the_document() {
    let mut known: BTreeSet<String> = documented()
        .into_iter()
        .map(|(_, _, operation)| operation)
        .collect();
    known.extend(INTERNAL.map(|(_, _, handler)| handler.to_owned()));
    let routed = routed();
    assert!(routed.len() > 80, "the map was read: {}", routed.len());
    let forgotten: Vec<&&str> = routed
        .iter()
        .filter(|handler| !known.contains(**handler))
        .collect();
    assert!(forgotten.is_empty(), "not in openapi.rs: {forgotten:?}");
    let gone: Vec<&String> = known
        .iter()
        .filter(|operation| !routed.contains(operation.as_str()))
        .collect();
    assert!(gone.is_empty(), "documented and not served: {gone:?}");
}

#[tokio::test]
async fn every_route_wants_a_good_token() {
    let world = World::start().await;
    let internal = INTERNAL.map(|(method, path, handler)| {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        (method, path.to_owned(), handler.to_owned())
    });
    let mut tried = 0;
    for (method, path, operation) in documented().into_iter().chain(internal) {
        if WITHOUT_TOKEN.iter().any(|(open, _)| *open == operation) {
            continue;
        }
        for token in [None, Some("a.b.c")] {
            let mut request = world.service.request(method.clone(), &path);
            if let Some(token) = token {
                request = request.bearer_auth(token);
            }
            if method != Method::GET {
                request = request.json(&json!({}));
            }
            let (status, body) = answer(request).await;
            // Whether a key is one is asked of auth-otp, which nobody plays here.
            let unknown_key = status == 503 && token.is_some() && path.starts_with("/v1/");
            assert!(
                status == 401 || unknown_key,
                "{method} {path} with {token:?}: {status} {body}"
            );
        }
        tried += 1;
    }
    assert!(tried > 80, "{tried}");
}

/// What is open asks for something else, and answers nothing to whoever has it not.
#[tokio::test]
async fn routes_without_a_token_ask_for_something_else() {
    let world = World::start().await;
    let mut seen = BTreeSet::new();
    for (method, path, operation) in documented() {
        let Some((open, wants)) = WITHOUT_TOKEN.iter().find(|(open, _)| *open == operation) else {
            continue;
        };
        seen.insert(*open);
        let (status, body) = answer(world.service.request(method, &path).body("{}")).await;
        assert!(
            [401, 403, 404].contains(&status),
            "{path} wants {wants}: {status} {body}"
        );
    }
    assert_eq!(seen.len(), WITHOUT_TOKEN.len(), "{seen:?}");
}

#[tokio::test]
async fn internal_routes_take_services_only() {
    let world = World::start().await;
    for (method, path, _) in INTERNAL {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        for token in [
            world.superuser(),
            world.admin(),
            world.staff(ClinicRole::Doctor),
        ] {
            let person = world
                .service
                .request(method.clone(), path)
                .bearer_auth(token)
                .json(&json!({}));
            assert!([401, 403].contains(&answer(person).await.0), "{path}");
        }
    }
}

/// Who manages what: an admin the organisation's own, a superuser the platform's, nobody else either.
#[tokio::test]
async fn i08_only_staff_manage() {
    let world = World::start().await;
    let doctor = world.staff(ClinicRole::Doctor);
    for path in [
        "credentials/",
        "logs/",
        "logs/statistics/",
        "webhooks/",
        "webhook-events/",
        "webhook-rejections/",
        "rate-limits/",
        "templates/",
        "event-types/",
        "endpoints/",
        "messages/",
    ] {
        let path = format!("/api/integrations/{path}");
        let (status, body) = answer(world.service.get(&path).bearer_auth(&doctor)).await;
        assert_eq!(
            (status, &body["detail"]),
            (
                403,
                &json!("You do not have permission to perform this action.")
            ),
            "{path}"
        );
        let admin = world.service.get(&path).bearer_auth(world.admin());
        assert_eq!(answer(admin).await.0, 200, "{path}");
    }
    let patient = world.token(|_| {});
    for path in ["/api/message/send/", "/api/integrations/sms/send/"] {
        let body = json!({"mobile_number": "09120000010", "message_text": "x", "receptor": "09120000010", "message": "x"});
        let (status, _) = answer(world.service.post(path).bearer_auth(&patient).json(&body)).await;
        assert_eq!(status, 403, "{path} is no relay for everybody");
    }
}

/// Somebody with a good token and no role in any clinic gets nothing from any route.
#[tokio::test]
async fn a_token_without_a_role_opens_nothing() {
    let world = World::start().await;
    let nobody = world.token(|claims| claims.org = None);
    // What every person may call: the providers by name (wire.md 3.1), AI under their own limits.
    let personal = [
        "list_providers",
        "get_provider",
        "check_provider",
        "get_provider_statistics",
        "generate_text",
        "summarize_text",
        "transcribe_audio",
        "create_chat_completion",
        "create_transcription",
        "list_models",
        "get_model",
    ];
    for (method, path, operation) in documented() {
        if WITHOUT_TOKEN.iter().any(|(open, _)| *open == operation)
            || personal.contains(&operation.as_str())
        {
            continue;
        }
        let mut request = world
            .service
            .request(method.clone(), &path)
            .bearer_auth(&nobody);
        if method != Method::GET {
            request = request.json(&json!({}));
        }
        let (status, body): (u16, Value) = answer(request).await;
        assert!(
            [400, 403, 404, 415].contains(&status),
            "{method} {path}: {status} {body}"
        );
        assert!(
            body.get("results").is_none() && body.get("id").is_none(),
            "{method} {path}: {body}"
        );
    }
}
