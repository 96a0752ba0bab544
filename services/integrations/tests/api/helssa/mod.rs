//! The 44 tests of the replaced system (wire.md 8.2 and 8.3), replayed in intent, one test each and by name: what its
//! models, services, views and webhooks promised holds here over HTTP, in the shapes of wire.md 3 and 9.

mod limits;
mod models;
mod services;
mod views;
mod webhooks;

use common_types::ClinicRole;
use provider_simulators::{kavenegar::Behaviour, sandbox::signature};
use serde_json::{Value, json};
use service_testing::published_events;

use crate::{
    outgoing_support::{call, call_as},
    support::{Setup, World, answer},
};

const SECRET: &str = "helssa-webhook-secret";

/// The id of a provider.
async fn provider(world: &World, slug: &str) -> Value {
    call(world, "GET", &format!("providers/{slug}/"), json!({}))
        .await
        .1["id"]
        .clone()
}

/// Calls a route as a superuser.
async fn as_superuser(world: &World, verb: &str, path: &str, body: Value) -> (u16, Value) {
    call_as(world, &world.superuser(), verb, path, body).await
}

/// Kavenegar and no stand-in: what it refuses is refused.
async fn kavenegar_alone(change: impl FnOnce(&mut Behaviour)) -> World {
    let world = World::with(Setup {
        kavenegar: true,
        settings: vec![("development.stand_ins", "false".to_owned())],
        ..Setup::default()
    })
    .await;
    let mut behaviour = world.simulators.state.kavenegar.behaviour();
    change(&mut behaviour);
    world.simulators.state.kavenegar.set_behaviour(behaviour);
    world
}

/// `sms/send/` as somebody who may write texts.
async fn send(world: &World, body: Value) -> (u16, Value) {
    let token = world.staff(ClinicRole::Secretary);
    call_as(world, &token, "POST", "sms/send/", body).await
}

fn otp() -> Value {
    json!({"receptor": "09123456789", "message_type": "otp", "token": "12345", "template": "verify"})
}

/// Requests that Kavenegar's simulator has seen at a route.
fn asked(world: &World, route: &str) -> Vec<Value> {
    let seen = world.simulators.state.recorder.of(route);
    seen.into_iter().map(|one| one.body).collect()
}

fn credential(provider: &Value) -> Value {
    json!({"provider": provider, "key_name": "api_key", "key_value": "abcdefghijkl", "environment": "staging"})
}

/// Registers an endpoint of incoming webhooks that takes `payment.success`.
async fn register(world: &World, url: &str, more: Value) -> Value {
    let mut body = json!({"provider": provider(world, "sandbox").await, "name": "Payments", "endpoint_url": url,
        "secret_key": SECRET, "events": ["payment.success"]});
    body.as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    let (status, made) = call(world, "POST", "webhooks/", body).await;
    assert_eq!(status, 201, "{made}");
    made
}

/// Posts a body under a signature; none when `None`.
async fn post(world: &World, url: &str, signature: Option<&str>, body: &str) -> (u16, Value) {
    let mut request = world
        .service
        .post(&format!("/api/integrations/webhook/{url}/"))
        .header("content-type", "application/json");
    if let Some(signature) = signature {
        request = request.header("x-signature", signature);
    }
    answer(request.body(body.to_owned())).await
}

/// Posts a body as its sender signs it.
async fn signed(world: &World, url: &str, body: &str) -> (u16, Value) {
    post(world, url, Some(&signature(SECRET, body.as_bytes())), body).await
}

fn paid(id: &str) -> String {
    json!({"event": "payment.success", "id": id, "data": {"payment_id": "p1"}}).to_string()
}

/// What was handed on.
async fn received(world: &World) -> Vec<Value> {
    let events = published_events(&world.service.database.db).await;
    events
        .into_iter()
        .filter(|event| event.name == "integrations.webhook_received")
        .map(|event| event.payload)
        .collect()
}

/// The stored events, newest first.
async fn stored(world: &World) -> Vec<Value> {
    let (_, list) = as_superuser(world, "GET", "webhook-events/", json!({})).await;
    list["results"].as_array().unwrap().clone()
}
