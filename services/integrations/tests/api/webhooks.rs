//! The receiver.

use base64::{Engine, engine::general_purpose::STANDARD};
use futures_util::future::join_all;
use provider_simulators::sandbox::signature;
use serde_json::{Value, json};
use service_auth::tokens::hmac_sha256_plain;
use service_testing::published_events;

use crate::support::{Setup, WEBHOOK_SECRET, World, answer};

const PATH: &str = "/api/integrations/webhook/payment-status/";

fn paid(id: &str) -> String {
    json!({"event": "payment.success", "id": id,
        "data": {"payment_id": "pay_1", "order_id": "order-1", "amount": 250_000, "currency": "IRR"}})
    .to_string()
}

async fn post(world: &World, path: &str, body: &str, signature: &str) -> (u16, Value) {
    let request = world
        .service
        .post(path)
        .header("x-signature", signature)
        .header("content-type", "application/json");
    answer(request.body(body.to_owned())).await
}

async fn signed(world: &World, body: &str) -> (u16, Value) {
    post(
        world,
        PATH,
        body,
        &signature(WEBHOOK_SECRET, body.as_bytes()),
    )
    .await
}

async fn received(world: &World) -> Vec<Value> {
    let events = published_events(&world.service.database.db).await;
    events
        .into_iter()
        .filter(|e| e.name == "integrations.webhook_received")
        .map(|e| e.payload)
        .collect()
}

#[tokio::test]
async fn i05_y05_a_signed_webhook_becomes_one_event_with_ids() {
    let world = World::start().await;
    let (status, body) = signed(&world, &paid("evt_1")).await;
    assert_eq!(
        (status, body),
        (
            200,
            json!({"success": true, "message": "Webhook received successfully"})
        )
    );
    let events = received(&world).await;
    assert_eq!(events.len(), 1);
    let event = &events[0];
    assert_eq!(
        (&event["endpoint"], &event["provider_slug"]),
        (&json!("payment-status"), &json!("sandbox"))
    );
    assert_eq!(
        (&event["event_type"], &event["provider_reference"]),
        (&json!("payment.success"), &json!("pay_1"))
    );
    assert_eq!(event["order_reference"], "order-1");
    assert!(
        !event.to_string().contains("250000"),
        "no amount is taken from a webhook"
    );
    let list = world
        .service
        .get("/api/integrations/webhook-events/")
        .bearer_auth(world.superuser());
    let (_, list) = answer(list).await;
    let shown = &list["results"][0];
    assert_eq!(
        (&shown["is_valid"], &shown["is_processed"]),
        (&json!(true), &json!(true))
    );
    assert_eq!(
        shown["payload"]["data"]["amount"], 250_000,
        "the body as it came"
    );
    assert_eq!(shown["webhook_name"], "Payment Status");
}

#[tokio::test]
async fn i05_a_bad_signature_is_401_and_kept_as_a_sample() {
    let world = World::start().await;
    let body = paid("evt_1");
    for signature in [
        "",
        "00",
        &format!("sha256={}", signature(WEBHOOK_SECRET, body.as_bytes())),
        &signature("other", body.as_bytes()),
    ] {
        let (status, refused) = post(&world, PATH, &body, signature).await;
        assert_eq!(
            (status, refused),
            (401, json!({"success": false, "error": "Invalid signature"})),
            "{signature}"
        );
    }
    let unsigned = world.service.post(PATH).body(body.clone());
    assert_eq!(answer(unsigned).await.0, 401);
    assert!(received(&world).await.is_empty());
    let list = world
        .service
        .get("/api/integrations/webhook-events/")
        .bearer_auth(world.superuser());
    assert_eq!(answer(list).await.1["count"], 0);
    let reasons = "SELECT count(*) FROM webhook_rejections WHERE reason IN ('missing', 'mismatch')";
    assert_eq!(world.text_of(reasons).await.as_deref(), Some("5"));
}

#[tokio::test]
async fn the_sample_of_refused_bodies_ends_exactly_at_its_cap() {
    let world = World::with(Setup {
        settings: vec![("webhooks.quarantine_cap", "30".to_owned())],
        ..Setup::default()
    })
    .await;
    for round in 0..5 {
        let refused = (0..40).map(|number| {
            let (world, body) = (&world, paid(&format!("{round}-{number}")));
            async move { post(world, PATH, &body, "00").await.0 }
        });
        assert!(join_all(refused).await.iter().all(|status| *status == 401));
    }
    let kept = "SELECT count(*) FROM webhook_rejections";
    assert_eq!(world.text_of(kept).await.as_deref(), Some("30"));
    // Tomorrow there is room again.
    world.service.clock.advance(chrono::TimeDelta::hours(25));
    post(&world, PATH, &paid("next"), "00").await;
    assert_eq!(world.text_of(kept).await.as_deref(), Some("31"));
}

#[tokio::test]
async fn i05_flipped_bits_are_refused_over_http() {
    let world = World::start().await;
    let body = paid("evt_1");
    let good = signature(WEBHOOK_SECRET, body.as_bytes());
    let bits: Vec<usize> = (0..body.len() * 8).step_by(7).collect();
    for chunk in bits.chunks(16) {
        let tries = chunk.iter().map(|bit| {
            let mut changed = body.clone().into_bytes();
            changed[bit / 8] ^= 1 << (bit % 8);
            let request = world
                .service
                .post(PATH)
                .header("x-signature", &good)
                .body(changed);
            async move { answer(request).await.0 }
        });
        assert!(join_all(tries).await.iter().all(|status| *status == 401));
    }
    assert!(received(&world).await.is_empty());
}

#[tokio::test]
async fn i05_unknown_endpoints_events_and_bodies_have_their_answers() {
    let world = World::start().await;
    let (status, body) = post(&world, "/api/integrations/webhook/nowhere/", "{}", "00").await;
    assert_eq!(
        (status, body),
        (
            404,
            json!({"success": false, "error": "Webhook endpoint not found"})
        )
    );
    let other = json!({"event": "payment.other", "id": "evt_9"}).to_string();
    let (status, body) = signed(&world, &other).await;
    assert_eq!(
        (status, body),
        (422, json!({"success": false, "error": "Processing failed"}))
    );
    let list = world
        .service
        .get("/api/integrations/webhook-events/?processed=false")
        .bearer_auth(world.superuser());
    let (_, list) = answer(list).await;
    assert_eq!(
        list["results"][0]["error_message"],
        "Event type payment.other not configured for this webhook"
    );
    let (status, body) = signed(&world, "{not json").await;
    assert_eq!(status, 400);
    assert!(
        body["detail"]
            .as_str()
            .unwrap()
            .starts_with("JSON parse error")
    );
    assert_eq!(signed(&world, "[1,2]").await.0, 422);
    let large = format!("\"{}\"", "x".repeat(300_000));
    let (status, body) = signed(&world, &large).await;
    assert_eq!((status, &body["success"]), (413, &json!(false)));
    assert_eq!(answer(world.service.get(PATH)).await.0, 405);
    assert!(received(&world).await.is_empty());
}

#[tokio::test]
async fn q_a_thousand_copies_are_one_event() {
    let world = World::start().await;
    let body = paid("evt_1");
    let good = signature(WEBHOOK_SECRET, body.as_bytes());
    for _ in 0..25 {
        let copies = (0..40).map(|_| post(&world, PATH, &body, &good));
        assert!(
            join_all(copies)
                .await
                .iter()
                .all(|(status, _)| *status == 200)
        );
    }
    assert_eq!(received(&world).await.len(), 1);
    let reordered = json!({"event": "payment.failed", "id": "evt_1", "data": {}}).to_string();
    assert_eq!(signed(&world, &reordered).await.0, 200);
    assert_eq!(
        received(&world).await.len(),
        2,
        "another event of the same thing is another event"
    );
    let unnamed = json!({"event": "payment.success", "data": {"payment_id": "p"}}).to_string();
    signed(&world, &unnamed).await;
    signed(&world, &unnamed).await;
    assert_eq!(
        received(&world).await.len(),
        3,
        "without an id the body tells copies"
    );
}

#[tokio::test]
async fn standard_webhooks_are_taken_within_their_time() {
    let world = World::start().await;
    let body = json!({"type": "payment.success", "data": {"payment_id": "p1"}}).to_string();
    let now = world.service.clock.shared().now().timestamp();
    let send = async |id: &str, at: i64| {
        let signed = format!("{id}.{at}.{body}");
        let mac = STANDARD.encode(hmac_sha256_plain(
            WEBHOOK_SECRET.as_bytes(),
            signed.as_bytes(),
        ));
        let request = world
            .service
            .post(PATH)
            .header("webhook-id", id)
            .header("webhook-timestamp", at.to_string())
            .header("webhook-signature", format!("v1,AAAA v1,{mac}"));
        answer(request.body(body.clone())).await.0
    };
    assert_eq!(send("msg_1", now).await, 200);
    assert_eq!(
        send("msg_1", now - 10).await,
        200,
        "a repetition has its own time and the same id"
    );
    assert_eq!(send("msg_2", now - 301).await, 401);
    assert_eq!(send("msg_3", now + 61).await, 401);
    assert_eq!(received(&world).await.len(), 1);
}

#[tokio::test]
async fn i08_an_endpoint_is_registered_and_a_stored_event_retried() {
    let world = World::start().await;
    let admin = world.superuser();
    let provider = world
        .service
        .get("/api/integrations/providers/kavenegar/")
        .bearer_auth(&admin);
    let provider = answer(provider).await.1["id"].clone();
    let create = json!({"provider": provider, "name": "Receipts", "endpoint_url": "sms/receipts", "secret_key": "s3",
        "events": []});
    let post_endpoint = async |body: &Value| {
        answer(
            world
                .service
                .post("/api/integrations/webhooks/")
                .bearer_auth(&admin)
                .json(body),
        )
        .await
    };
    let (status, made) = post_endpoint(&create).await;
    assert_eq!(status, 201, "{made}");
    assert!(made.get("secret_key").is_none() && made["events_count"] == 0);
    let (status, twice) = post_endpoint(&create).await;
    assert_eq!(status, 400);
    assert!(twice["endpoint_url"].is_array());
    let mut bad = create.clone();
    bad["endpoint_url"] = json!("a b");
    assert_eq!(post_endpoint(&bad).await.0, 400);
    let body = json!({"event": "sms.delivered", "id": "r1"}).to_string();
    let path = "/api/integrations/webhook/sms/receipts/";
    assert_eq!(
        post(&world, path, &body, &signature("s3", body.as_bytes()))
            .await
            .0,
        422,
        "slashes are served"
    );
    let list = world
        .service
        .get("/api/integrations/webhook-events/")
        .bearer_auth(&admin);
    let id = answer(list).await.1["results"][0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let retry = async || {
        let path = format!("/api/integrations/webhook-events/{id}/retry/");
        answer(world.service.post(&path).bearer_auth(&admin)).await
    };
    let (status, first) = retry().await;
    assert_eq!(
        (status, &first["success"], &first["retry_count"]),
        (200, &json!(false), &json!(1)),
        "{first}"
    );
    use diesel_async::RunQueryDsl;
    let mut conn = world.service.database.db.get().await.unwrap();
    let sql = "UPDATE webhook_endpoints SET events = '{sms.delivered}' WHERE endpoint_url = 'sms/receipts'";
    diesel::sql_query(sql).execute(&mut conn).await.unwrap();
    drop(conn);
    let (_, second) = retry().await;
    assert_eq!(
        second,
        json!({"success": true, "message": "Retry completed", "retry_count": 2})
    );
    let (status, third) = retry().await;
    assert_eq!(
        (status, third),
        (400, json!({"error": "Event already processed"}))
    );
    assert_eq!(received(&world).await.len(), 1);
}
