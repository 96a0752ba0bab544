//! Endpoints of incoming webhooks, and their senders.

use provider_simulators::sandbox::signature;
use serde_json::{Value, json};
use service_testing::published_events;

use crate::{
    outgoing_support::call,
    support::{World, answer},
};

pub(crate) const SECRET: &str = "canary-inbound-secret";

pub(crate) async fn provider(world: &World, slug: &str) -> Value {
    call(world, "GET", &format!("providers/{slug}/"), json!({}))
        .await
        .1["id"]
        .clone()
}

/// Registers an endpoint of the organisation and answers it.
pub(crate) async fn register(world: &World, url: &str, more: Value) -> Value {
    let mut body = json!({"provider": provider(world, "sandbox").await, "name": "Payments", "endpoint_url": url,
        "secret_key": SECRET, "events": ["payment.success"]});
    body.as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    let (status, made) = call(world, "POST", "webhooks/", body).await;
    assert_eq!(status, 201, "{made}");
    made
}

pub(crate) async fn post(
    world: &World,
    url: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> (u16, Value) {
    let mut request = world
        .service
        .post(&format!("/api/integrations/webhook/{url}/"));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    answer(request.body(body.to_owned())).await
}

pub(crate) async fn signed(world: &World, url: &str, secret: &str, body: &str) -> (u16, Value) {
    post(
        world,
        url,
        &[("x-signature", &signature(secret, body.as_bytes()))],
        body,
    )
    .await
}

pub(crate) async fn received(world: &World) -> Vec<Value> {
    let events = published_events(&world.service.database.db).await;
    let ours = events
        .into_iter()
        .filter(|e| e.name == "integrations.webhook_received");
    ours.map(|e| e.payload).collect()
}

pub(crate) fn paid(id: &str) -> String {
    json!({"event": "payment.success", "id": id, "data": {"payment_id": "p1"}}).to_string()
}
