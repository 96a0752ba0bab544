//! Who may call what.

use common_types::ClinicRole;
use reqwest::Method;
use serde_json::json;

use crate::support::{World, answer};

const ROUTES: [(&str, &str); 17] = [
    ("GET", "/api/integrations/providers/"),
    ("GET", "/api/integrations/providers/sandbox/"),
    ("GET", "/api/integrations/providers/sandbox/health-check/"),
    ("GET", "/api/integrations/providers/sandbox/statistics/"),
    ("GET", "/api/integrations/credentials/"),
    ("POST", "/api/integrations/credentials/"),
    (
        "POST",
        "/api/integrations/credentials/01900000-0000-7000-8000-000000000009/rotate/",
    ),
    ("GET", "/api/integrations/logs/"),
    ("GET", "/api/integrations/webhooks/"),
    ("POST", "/api/integrations/webhooks/"),
    ("GET", "/api/integrations/webhook-events/"),
    (
        "POST",
        "/api/integrations/webhook-events/01900000-0000-7000-8000-000000000009/retry/",
    ),
    ("POST", "/api/integrations/sms/send/"),
    ("GET", "/api/integrations/sms/1/"),
    ("POST", "/api/integrations/ai/generate/"),
    ("POST", "/api/message/send/"),
    ("POST", "/internal/messages/"),
];

#[tokio::test]
async fn every_route_wants_a_good_token() {
    let world = World::start().await;
    for (method, path) in ROUTES {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let (status, body) =
            answer(world.service.request(method.clone(), path).json(&json!({}))).await;
        assert_eq!(status, 401, "{method} {path} {body}");
        let forged = world
            .service
            .request(method.clone(), path)
            .bearer_auth("a.b.c")
            .json(&json!({}));
        assert_eq!(
            answer(forged).await.0,
            401,
            "{method} {path} with a forged token"
        );
    }
}

#[tokio::test]
async fn internal_routes_take_services_only() {
    let world = World::start().await;
    for path in [
        "/internal/messages/",
        "/internal/ai/generate/",
        "/internal/ai/summarize/",
    ] {
        let person = world
            .service
            .post(path)
            .bearer_auth(world.superuser())
            .json(&json!({}));
        assert!([401, 403].contains(&answer(person).await.0), "{path}");
    }
    let person = world
        .service
        .get("/internal/credentials/sandbox/")
        .bearer_auth(world.superuser());
    assert!([401, 403].contains(&answer(person).await.0));
}

#[tokio::test]
async fn i08_only_staff_manage() {
    let world = World::start().await;
    let doctor = world.staff(ClinicRole::Doctor);
    for path in ["credentials/", "logs/", "webhooks/", "webhook-events/"] {
        let request = world
            .service
            .get(&format!("/api/integrations/{path}"))
            .bearer_auth(&doctor);
        let (status, body) = answer(request).await;
        assert_eq!(
            (status, &body["detail"]),
            (
                403,
                &json!("You do not have permission to perform this action.")
            )
        );
        let admin = world
            .service
            .get(&format!("/api/integrations/{path}"))
            .bearer_auth(world.admin());
        assert_eq!(answer(admin).await.0, 200, "{path}");
    }
    let patient = world.token(|_| {});
    for path in ["/api/message/send/", "/api/integrations/sms/send/"] {
        let body = json!({"mobile_number": "09120000010", "message_text": "x", "receptor": "09120000010", "message": "x"});
        let (status, _) = answer(world.service.post(path).bearer_auth(&patient).json(&body)).await;
        assert_eq!(status, 403, "{path} is no relay for everybody");
    }
}
