//! Sending: modes, failover, unknown outcomes, what is kept and what is wiped.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use service_testing::{eventually, eventually_stepping, published_events, unsettled_events};

use crate::support::{SOON, World, sms};

async fn text_of(world: &World, sql: &str) -> Option<String> {
    use diesel_async::RunQueryDsl;
    #[derive(diesel::QueryableByName)]
    struct One {
        #[diesel(sql_type = diesel::sql_types::Nullable<diesel::sql_types::Text>)]
        value: Option<String>,
    }
    let mut conn = world.service.database.db.get().await.unwrap();
    let rows: Vec<One> = diesel::sql_query(sql).load(&mut conn).await.unwrap();
    rows.into_iter().next().and_then(|row| row.value)
}

async fn state_of(world: &World, key: &str) -> Option<String> {
    text_of(
        world,
        &format!("SELECT state AS value FROM messages WHERE idempotency_key = '{key}'"),
    )
    .await
}

async fn count(world: &World, what: &str) -> String {
    text_of(
        world,
        &format!("SELECT count(*)::text AS value FROM {what}"),
    )
    .await
    .unwrap()
}

fn set(world: &World, change: impl FnOnce(&mut provider_simulators::kavenegar::Behaviour)) {
    let mut behaviour = world.simulators.state.kavenegar.behaviour();
    change(&mut behaviour);
    world.simulators.state.kavenegar.set_behaviour(behaviour);
}

#[tokio::test]
async fn a_code_is_sent_while_the_caller_waits() {
    let world = World::start().await;
    let (status, body) = world
        .send(&sms("k1", "synchronous", "otp", "کد ورود: 12345"))
        .await;
    assert_eq!(
        (status, &body["state"], &body["provider"]),
        (200, &json!("sent"), &json!("development-inbox")),
        "{body}"
    );
    assert_eq!(world.inbox("+989120000010"), ["کد ورود: 12345"]);
    assert_eq!(state_of(&world, "k1").await.as_deref(), Some("delivered"));
    assert_eq!(
        count(
            &world,
            "messages WHERE content_sealed IS NOT NULL OR wiped_at IS NULL"
        )
        .await,
        "0",
        "wiped"
    );
    let events = published_events(&world.service.database.db).await;
    let event = events
        .iter()
        .find(|event| event.name == "integrations.message_delivered")
        .unwrap();
    assert_eq!(
        (&event.payload["reference"], &event.payload["purpose"]),
        (&json!("ref-1"), &json!("otp"))
    );
}

#[tokio::test]
async fn the_same_key_sends_once_and_another_body_is_refused() {
    let world = World::start().await;
    let message = sms("k1", "synchronous", "otp", "12345");
    let (_, first) = world.send(&message).await;
    let (status, second) = world.send(&message).await;
    assert_eq!((status, &second), (200, &first));
    assert_eq!(world.inbox("09120000010").len(), 1);
    assert_eq!(
        world
            .send(&sms("k1", "synchronous", "otp", "54321"))
            .await
            .0,
        422
    );
    let other =
        crate::support::answer(world.as_service("portal", "/internal/messages/", &message)).await;
    assert_eq!(other.0, 200, "keys belong to their owner");
    assert_eq!(world.inbox("09120000010").len(), 2);
}

#[tokio::test]
async fn a_bad_recipient_is_named() {
    let world = World::start().await;
    let mut message = sms("k1", "synchronous", "otp", "12345");
    message["to"] = json!("12");
    let (status, body) = world.send(&message).await;
    assert_eq!(status, 400);
    assert!(body["to"].is_array(), "{body}");
    message["channel"] = json!("email");
    assert_eq!(world.send(&message).await.0, 400);
    assert_eq!(count(&world, "messages").await, "0");
}

#[tokio::test]
async fn i06_a_refusal_of_the_first_provider_goes_to_the_second() {
    let world = World::with_kavenegar().await;
    set(&world, |behaviour| behaviour.credit = 0);
    let (status, body) = world.send(&sms("k1", "synchronous", "otp", "12345")).await;
    assert_eq!(
        (status, &body["state"], &body["provider"]),
        (200, &json!("sent"), &json!("development-inbox"))
    );
    let tried = "message_attempts WHERE provider_slug = 'kavenegar' AND outcome = 'refused' AND error_code = 'kavenegar.418'";
    assert_eq!(count(&world, tried).await, "1");
}

#[tokio::test]
async fn a_code_after_a_timeout_is_tried_at_the_next_provider_within_the_time() {
    let world = World::with_kavenegar().await;
    set(&world, |behaviour| behaviour.delay_ms = 60_000);
    let started = Instant::now();
    let (status, body) = world.send(&sms("k1", "synchronous", "otp", "12345")).await;
    assert!(
        started.elapsed() < Duration::from_secs(20),
        "{:?}",
        started.elapsed()
    );
    assert_eq!(
        (status, &body["provider"]),
        (200, &json!("development-inbox")),
        "{body}"
    );
}

#[tokio::test]
async fn other_texts_stop_at_an_unknown_outcome_and_the_worker_settles_it_once() {
    let mut world = World::with_kavenegar().await;
    set(&world, |behaviour| {
        behaviour.delay_ms = 3_000;
        behaviour.accept_before_delay = true;
    });
    let (status, body) = world
        .send(&sms("k1", "synchronous", "notification", "report ready"))
        .await;
    assert_eq!((status, &body["state"]), (200, &json!("unknown")), "{body}");
    assert_eq!(
        world.inbox("09120000010").len(),
        1,
        "it was taken, only the answer is late"
    );
    set(&world, |behaviour| behaviour.delay_ms = 0);
    world.service.clock.advance(chrono::TimeDelta::seconds(40));
    world.service.start_worker();
    eventually(SOON, async || {
        matches!(
            state_of(&world, "k1").await.as_deref(),
            Some("sent" | "delivered")
        )
    })
    .await;
    assert_eq!(
        world.inbox("09120000010").len(),
        1,
        "asked again under the same localid: no second copy"
    );
}

#[tokio::test]
async fn void_only_when_every_provider_refused() {
    let world = World::with_kavenegar().await;
    set(&world, |behaviour| behaviour.fail_with = Some(411));
    world.service.stack.clock.now();
    deactivate(&world, "development-inbox").await;
    let (status, body) = world.send(&sms("k1", "synchronous", "otp", "12345")).await;
    assert_eq!((status, &body["state"]), (502, &json!("refused")), "{body}");
    let (status, again) = world.send(&sms("k1", "synchronous", "otp", "12345")).await;
    assert_eq!(
        (status, &again["message_id"]),
        (502, &body["message_id"]),
        "the first answer again"
    );
    let events = published_events(&world.service.database.db).await;
    let failed = events
        .iter()
        .find(|event| event.name == "integrations.message_failed")
        .unwrap();
    assert_eq!(failed.payload["reason"], "kavenegar.411");
    assert_eq!(
        count(&world, "messages WHERE content_sealed IS NOT NULL").await,
        "0",
        "wiped"
    );
}

async fn deactivate(world: &World, slug: &str) {
    use diesel_async::RunQueryDsl;
    let _ = world.service.get("/health/ready").send().await;
    let mut conn = world.service.database.db.get().await.unwrap();
    let sql = format!(
        "UPDATE providers SET status = 'inactive', version = version + 1 WHERE slug = '{slug}'"
    );
    diesel::sql_query(sql).execute(&mut conn).await.unwrap();
}

#[tokio::test]
async fn a_queued_message_waits_for_its_provider_and_then_arrives_once() {
    let mut world = World::with_kavenegar().await;
    set(&world, |behaviour| behaviour.fail_with = Some(409));
    deactivate(&world, "development-inbox").await;
    world.service.start_worker();
    let (status, body) = world
        .send(&sms("k1", "queued", "credentials", "key ABC password xyz"))
        .await;
    assert_eq!((status, &body["state"]), (200, &json!("queued")));
    eventually(SOON, async || {
        count(&world, "message_attempts").await != "0"
    })
    .await;
    assert_eq!(
        count(&world, "messages WHERE content_sealed IS NOT NULL").await,
        "1",
        "sealed while it is retried"
    );
    set(&world, |behaviour| behaviour.fail_with = None);
    eventually_stepping(
        &world.service.clock,
        chrono::TimeDelta::seconds(10),
        SOON,
        async || {
            matches!(
                state_of(&world, "k1").await.as_deref(),
                Some("sent" | "delivered")
            )
        },
    )
    .await;
    assert_eq!(world.inbox("09120000010"), ["key ABC password xyz"]);
    eventually_stepping(
        &world.service.clock,
        chrono::TimeDelta::seconds(10),
        SOON,
        async || state_of(&world, "k1").await.as_deref() == Some("delivered"),
    )
    .await;
    assert_eq!(
        count(&world, "messages WHERE content_sealed IS NOT NULL").await,
        "0",
        "wiped when it is delivered"
    );
    eventually(SOON, async || {
        unsettled_events(&world.service.database.db).await == (0, 0)
    })
    .await;
}

#[tokio::test]
async fn a_queued_message_that_can_never_be_taken_fails_with_an_event() {
    let mut world = World::with_kavenegar().await;
    set(&world, |behaviour| behaviour.fail_with = Some(413));
    deactivate(&world, "development-inbox").await;
    world.service.start_worker();
    world.send(&sms("k1", "queued", "notification", "x")).await;
    eventually(SOON, async || {
        state_of(&world, "k1").await.as_deref() == Some("failed")
    })
    .await;
    let events = published_events(&world.service.database.db).await;
    assert!(
        events
            .iter()
            .any(|event| event.name == "integrations.message_failed")
    );
}

#[tokio::test]
async fn two_workers_send_each_message_once() {
    let mut world = World::start().await;
    for number in 0..30 {
        let mut message = sms(
            &format!("k{number}"),
            "queued",
            "notification",
            &format!("text {number}"),
        );
        message["to"] = json!("09120000011");
        assert_eq!(world.send(&message).await.0, 200);
    }
    world.service.start_worker();
    world.service.start_worker();
    eventually(SOON, async || {
        count(&world, "messages WHERE state = 'delivered'").await == "30"
    })
    .await;
    assert_eq!(world.inbox("09120000011").len(), 30);
    assert_eq!(count(&world, "message_attempts").await, "30");
}

#[tokio::test]
async fn a_message_whose_process_died_is_taken_over() {
    use diesel_async::RunQueryDsl;
    let mut world = World::start().await;
    world
        .send(&sms("k1", "queued", "notification", "hello"))
        .await;
    let mut conn = world.service.database.db.get().await.unwrap();
    let sql = "UPDATE messages SET state = 'sending', due_at = due_at + interval '30 seconds'";
    diesel::sql_query(sql).execute(&mut conn).await.unwrap();
    drop(conn);
    world.service.start_worker();
    world.service.clock.advance(chrono::TimeDelta::seconds(31));
    eventually(SOON, async || {
        state_of(&world, "k1").await.as_deref() == Some("delivered")
    })
    .await;
    assert_eq!(world.inbox("09120000010"), ["hello"]);
}

#[tokio::test]
async fn an_email_lands_in_the_inbox_with_its_subject() {
    let world = World::start().await;
    let message: Value = json!({"idempotency_key": "m1", "channel": "email", "to": "Sara@example.com", "language": "fr",
        "subject": "Vos accès", "text": "Bonjour", "html": "<p>Bonjour</p>", "purpose": "credentials", "mode": "synchronous"});
    let (status, body) = world.send(&message).await;
    assert_eq!(
        (status, &body["provider"]),
        (200, &json!("development-mail")),
        "{body}"
    );
    let (_, shown) =
        world
            .simulators
            .state
            .inbox
            .list(Some("sara@example.com"), Some("email"), 1, 10);
    assert_eq!(
        (shown[0].subject.as_deref(), shown[0].html.as_deref()),
        (Some("Vos accès"), Some("<p>Bonjour</p>"))
    );
}
