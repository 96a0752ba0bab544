//! Receivers of outgoing webhooks, and events to tell them.

use chrono::Utc;
use common_types::{
    Currency,
    events::{
        Event,
        payments::{PaymentPurpose, PaymentSettled},
    },
};
use diesel_async::RunQueryDsl;
use serde_json::{Value, json};
use service_events::outbox;
use service_testing::eventually;
use uuid::Uuid;
use wiremock::{Mock, MockServer, Request, ResponseTemplate, matchers::method};

use crate::support::{SOON, Setup, World, answer};

/// A world whose worker runs and may post to this machine over http.
pub(crate) async fn world() -> World {
    world_with(vec![]).await
}

pub(crate) async fn world_with(more: Vec<(&'static str, String)>) -> World {
    let mut settings = vec![
        ("outgoing.allowed_networks", "127.0.0.0/8".to_owned()),
        ("outgoing.poll_ms", "20".to_owned()),
    ];
    settings.extend(more);
    let mut world = World::with(Setup {
        settings,
        ..Setup::default()
    })
    .await;
    world.service.start_worker();
    world
}

/// Taken.
pub(crate) fn ok() -> ResponseTemplate {
    ResponseTemplate::new(200)
}

/// A receiver that answers every post with this.
pub(crate) async fn receiver(answer: ResponseTemplate) -> MockServer {
    let server = MockServer::start().await;
    Mock::given(method("POST"))
        .respond_with(answer)
        .mount(&server)
        .await;
    server
}

/// From now on the receiver answers this.
pub(crate) async fn answers(server: &MockServer, answer: ResponseTemplate) {
    server.reset().await;
    Mock::given(method("POST"))
        .respond_with(answer)
        .mount(server)
        .await;
}

pub(crate) async fn posts(server: &MockServer) -> Vec<Request> {
    server.received_requests().await.unwrap()
}

pub(crate) async fn arrived(server: &MockServer, count: usize) {
    eventually(SOON, async || posts(server).await.len() >= count).await;
}

pub(crate) fn header(request: &Request, name: &str) -> String {
    request
        .headers
        .get(name)
        .unwrap()
        .to_str()
        .unwrap()
        .to_owned()
}

/// Calls a route as the organisation's admin.
pub(crate) async fn call(world: &World, verb: &str, path: &str, body: Value) -> (u16, Value) {
    call_as(world, &world.admin(), verb, path, body).await
}

pub(crate) async fn call_as(
    world: &World,
    token: &str,
    verb: &str,
    path: &str,
    body: Value,
) -> (u16, Value) {
    let verb = reqwest::Method::from_bytes(verb.as_bytes()).unwrap();
    let request = world
        .service
        .request(verb.clone(), &format!("/api/integrations/{path}"))
        .bearer_auth(token);
    answer(if verb == reqwest::Method::GET {
        request
    } else {
        request.json(&body)
    })
    .await
}

/// Registers an endpoint and answers it, secret included.
pub(crate) async fn register(world: &World, url: &str, more: Value) -> Value {
    let mut body = json!({"name": "Books", "url": url});
    body.as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    let (status, made) = call(world, "POST", "endpoints/", body).await;
    assert_eq!(status, 201, "{made}");
    made
}

/// An endpoint as it is now.
pub(crate) async fn endpoint(world: &World, made: &Value) -> Value {
    let id = made["id"].as_str().unwrap();
    call(world, "GET", &format!("endpoints/{id}/"), json!({}))
        .await
        .1
}

/// Its deliveries, newest first.
pub(crate) async fn deliveries(world: &World, made: &Value) -> Vec<Value> {
    let id = made["id"].as_str().unwrap();
    let path = format!("endpoints/{id}/deliveries/?page_size=100");
    let (_, list) = call(world, "GET", &path, json!({})).await;
    list["results"].as_array().unwrap().clone()
}

/// Waits until the only delivery of an endpoint has had so many tries and is not at hand.
pub(crate) async fn tried(world: &World, made: &Value, attempts: i64) -> Value {
    eventually(SOON, async || {
        let all = deliveries(world, made).await;
        all.as_slice()
            .first()
            .is_some_and(|d| d["attempts"] == attempts && d["state"] != "sending")
    })
    .await;
    deliveries(world, made).await.remove(0)
}

/// A payment of the world's organisation.
pub(crate) fn settled(world: &World, payment_id: Uuid, version: i64) -> PaymentSettled {
    PaymentSettled {
        payment_id,
        aggregate_version: version,
        organization_id: world.organization,
        purpose: PaymentPurpose::Invoice,
        invoice_id: None,
        payer: None,
        amount: 250_000,
        currency: Currency::Irr,
        provider: "sandbox".to_owned(),
        provider_reference: "ref".to_owned(),
        settled_at: Utc::now(),
    }
}

/// Commits an event as its service would; the world's relay publishes it.
pub(crate) async fn emit<E: Event>(world: &World, source: &str, event: &E) {
    let mut conn = world.service.database.db.get().await.unwrap();
    let now = world.service.clock.shared().now();
    outbox::emit(&mut conn, source, event, now).await.unwrap();
    drop(conn);
    world.service.stack.outbox.wake();
}

#[derive(diesel::QueryableByName)]
struct Count {
    #[diesel(sql_type = diesel::sql_types::BigInt)]
    count: i64,
}

/// Rows that a query counts (`SELECT count(*) AS count …`).
pub(crate) async fn count(world: &World, sql: &str) -> i64 {
    let mut conn = world.service.database.db.get().await.unwrap();
    let rows: Vec<Count> = diesel::sql_query(sql).load(&mut conn).await.unwrap();
    rows[0].count
}

/// Changes rows behind the service's back.
pub(crate) async fn execute(world: &World, sql: &str) {
    let mut conn = world.service.database.db.get().await.unwrap();
    diesel::sql_query(sql).execute(&mut conn).await.unwrap();
}
