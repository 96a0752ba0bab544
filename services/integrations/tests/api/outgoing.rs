//! Webhooks out: what is posted, to whom, in which order.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use common_types::{
    ClinicRole,
    events::auth::{RevocationKind, SessionRevoked},
};
use serde_json::{Value, json};
use service_testing::{eventually, run_vendor_python};
use uuid::Uuid;
use wiremock::ResponseTemplate;

use crate::{
    outgoing_support::{
        answers, arrived, call, call_as, count, deliveries, emit, execute, header, ok, posts,
        receiver, register, settled, tried, world, world_with,
    },
    support::SOON,
};

/// What the reference library says about a request under a secret: `type` of the payload, or the error's class.
const VERIFY: &str = r#"
import base64, json, sys
from standardwebhooks.webhooks import Webhook
secret, body, headers = sys.argv[1], base64.b64decode(sys.argv[2]), json.loads(sys.argv[3])
try:
    print(Webhook(secret).verify(body, headers)["type"])
except Exception as error:
    print(type(error).__name__)
"#;

async fn verify(secret: &str, request: &wiremock::Request) -> String {
    use base64::{Engine, engine::general_purpose::STANDARD};
    let headers = json!({
        "webhook-id": header(request, "webhook-id"),
        "webhook-timestamp": header(request, "webhook-timestamp"),
        "webhook-signature": header(request, "webhook-signature"),
    });
    let arguments = [
        secret,
        &STANDARD.encode(&request.body),
        &headers.to_string(),
    ];
    run_vendor_python(VERIFY, &arguments)
        .await
        .trim()
        .to_owned()
}

#[tokio::test]
async fn i08_the_standardwebhooks_package_verifies_what_is_sent() {
    let world = world().await;
    let server = receiver(ok()).await;
    let made = register(
        &world,
        &server.uri(),
        json!({"event_types": ["payment.success"]}),
    )
    .await;
    let secret = made["secret"].as_str().unwrap().to_owned();
    emit(&world, "payments", &settled(&world, Uuid::now_v7(), 1)).await;
    arrived(&server, 1).await;
    let first = posts(&server).await.remove(0);
    assert_eq!(header(&first, "content-type"), "application/json");
    let body: Value = serde_json::from_slice(&first.body).unwrap();
    assert_eq!(
        (&body["type"], &body["sequence"]),
        (&json!("payment.success"), &json!(1))
    );
    assert_eq!(
        (&body["data"]["amount"], &body["data"]["version"]),
        (&json!(250_000), &json!(1))
    );
    assert!(
        body["timestamp"]
            .as_str()
            .unwrap()
            .parse::<DateTime<Utc>>()
            .is_ok()
    );
    assert_eq!(verify(&secret, &first).await, "payment.success");
    let other = "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    assert_eq!(verify(other, &first).await, "WebhookVerificationError");

    let rotate = format!("endpoints/{}/rotate-secret/", made["id"].as_str().unwrap());
    let (status, rotated) = call(&world, "POST", &rotate, json!({"overlap_hours": 2})).await;
    assert_eq!(status, 200, "{rotated}");
    let newer = rotated["secret"].as_str().unwrap().to_owned();
    emit(&world, "payments", &settled(&world, Uuid::now_v7(), 1)).await;
    arrived(&server, 2).await;
    let second = posts(&server).await.remove(1);
    assert_eq!(header(&second, "webhook-signature").split(' ').count(), 2);
    for good in [&secret, &newer] {
        assert_eq!(
            verify(good, &second).await,
            "payment.success",
            "both are good in the overlap"
        );
    }
    world.service.clock.advance(TimeDelta::hours(2));
    emit(&world, "payments", &settled(&world, Uuid::now_v7(), 1)).await;
    arrived(&server, 3).await;
    let third = posts(&server).await.remove(2);
    assert_eq!(
        header(&third, "webhook-signature").split(' ').count(),
        1,
        "the old one ended"
    );
}

#[tokio::test]
async fn one_delivery_per_endpoint_and_event_and_only_what_was_asked_for() {
    let world = world().await;
    let (all, some, other) = (
        receiver(ok()).await,
        receiver(ok()).await,
        receiver(ok()).await,
    );
    register(&world, &all.uri(), json!({})).await;
    register(
        &world,
        &some.uri(),
        json!({"event_types": ["payment.refunded"]}),
    )
    .await;
    let stranger = world.token(|claims| {
        claims.org = Some(Uuid::now_v7());
        claims.clinic_role = Some(ClinicRole::Admin);
    });
    let body = json!({"name": "x", "url": other.uri()});
    assert_eq!(
        call_as(&world, &stranger, "POST", "endpoints/", body)
            .await
            .0,
        201
    );
    let event = settled(&world, Uuid::now_v7(), 1);
    emit(&world, "payments", &event).await;
    arrived(&all, 1).await;
    // The same envelope once more, and an inbox that has forgotten it: the table still knows.
    execute(&world, "DELETE FROM inbox_events").await;
    execute(&world, "UPDATE outbox_events SET published_at = NULL").await;
    world.service.stack.outbox.wake();
    emit(&world, "payments", &settled(&world, Uuid::now_v7(), 1)).await;
    arrived(&all, 2).await;
    assert_eq!(posts(&all).await.len(), 2);
    assert_eq!(
        count(&world, "SELECT count(*) AS count FROM outgoing_deliveries").await,
        2
    );
    assert!(posts(&some).await.is_empty() && posts(&other).await.is_empty());
    let ids: Vec<String> = posts(&all)
        .await
        .iter()
        .map(|r| header(r, "webhook-id"))
        .collect();
    assert!(
        ids[0] != ids[1]
            && ids
                .iter()
                .all(|id| id.starts_with("msg_") && !id.contains('.'))
    );
}

#[tokio::test]
async fn events_of_no_organisation_go_to_the_platform() {
    let world = world().await;
    let (own, platform) = (receiver(ok()).await, receiver(ok()).await);
    register(&world, &own.uri(), json!({})).await;
    let body = json!({"name": "platform", "url": platform.uri()});
    assert_eq!(
        call_as(&world, &world.superuser(), "POST", "endpoints/", body)
            .await
            .0,
        201
    );
    let id = Uuid::now_v7();
    let event = SessionRevoked {
        id,
        aggregate_version: 1,
        kind: RevocationKind::Session,
        not_before: 0,
        expires_at: Utc::now(),
    };
    emit(&world, "auth-otp", &event).await;
    arrived(&platform, 1).await;
    let body: Value = serde_json::from_slice(&posts(&platform).await[0].body).unwrap();
    assert_eq!(
        (&body["type"], &body["data"]["id"]),
        (&json!("session.revoked"), &json!(id))
    );
    assert!(posts(&own).await.is_empty());
}

#[tokio::test]
async fn an_ordered_endpoint_waits_for_the_first_of_each_stream() {
    let world = world().await;
    let server = receiver(ResponseTemplate::new(500)).await;
    let made = register(&world, &server.uri(), json!({"ordered": true})).await;
    let (one, other) = (Uuid::now_v7(), Uuid::now_v7());
    emit(&world, "payments", &settled(&world, one, 1)).await;
    tried(&world, &made, 1).await;
    for version in 2..=4 {
        emit(&world, "payments", &settled(&world, one, version)).await;
    }
    emit(&world, "payments", &settled(&world, other, 1)).await;
    eventually(SOON, async || deliveries(&world, &made).await.len() == 5).await;
    arrived(&server, 2).await;
    let seen: Vec<Value> = posts(&server)
        .await
        .iter()
        .map(|r| serde_json::from_slice(&r.body).unwrap())
        .collect();
    assert_eq!(
        (&seen[1]["ordering_key"], &seen[1]["sequence"]),
        (&json!(other), &json!(1)),
        "another stream does not wait"
    );
    let tries = "SELECT count(*) AS count FROM outgoing_attempts";
    eventually(SOON, async || count(&world, tries).await == 2).await;
    answers(&server, ok()).await;
    world.service.clock.advance(TimeDelta::seconds(6));
    arrived(&server, 5).await;
    let order: Vec<(i64, i64)> = posts(&server)
        .await
        .iter()
        .map(|r| serde_json::from_slice::<Value>(&r.body).unwrap())
        .filter(|body| body["ordering_key"] == json!(one))
        .map(|body| {
            (
                body["sequence"].as_i64().unwrap(),
                body["data"]["version"].as_i64().unwrap(),
            )
        })
        .collect();
    assert_eq!(order, [(1, 1), (2, 2), (3, 3), (4, 4)]);
}

#[tokio::test]
async fn a_slow_receiver_holds_up_nobody_else() {
    let world = world_with(vec![
        ("outgoing.per_endpoint", "2".to_owned()),
        ("outgoing.concurrency", "4".to_owned()),
    ])
    .await;
    let slow = receiver(ok().set_delay(Duration::from_secs(3_600))).await;
    let quick = receiver(ok()).await;
    register(&world, &slow.uri(), json!({"timeout_seconds": 30})).await;
    register(&world, &quick.uri(), json!({})).await;
    for _ in 0..20 {
        emit(&world, "payments", &settled(&world, Uuid::now_v7(), 1)).await;
    }
    arrived(&quick, 20).await;
    assert_eq!(posts(&slow).await.len(), 2, "two at a time");
}
