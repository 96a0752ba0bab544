//! Webhooks out: receivers that fail, and what is done about it.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use service_testing::{eventually, eventually_stepping};
use uuid::Uuid;
use wiremock::ResponseTemplate;

use crate::{
    outgoing_support::{
        answers, arrived, call, deliveries, emit, endpoint, header, ok, posts, receiver, register,
        settled, tried, world,
    },
    support::{SOON, answer},
};

#[tokio::test]
async fn failures_are_tried_again_on_the_schedule_and_then_given_up() {
    let world = world().await;
    let server = receiver(ResponseTemplate::new(500).set_body_string("canary-answer")).await;
    let made = register(&world, &server.uri(), json!({})).await;
    emit(&world, "payments", &settled(&world, Uuid::now_v7(), 1)).await;
    let schedule = [5, 300, 1_800, 7_200, 18_000, 36_000, 36_000];
    let mut ids = Vec::new();
    for (done, pause) in schedule.into_iter().enumerate() {
        let row = tried(&world, &made, i64::try_from(done).unwrap() + 1).await;
        assert_eq!(
            (&row["state"], &row["last_status"]),
            (&json!("pending"), &json!(500))
        );
        let due: DateTime<Utc> = row["due_at"].as_str().unwrap().parse().unwrap();
        let waits = (due - world.service.clock.shared().now()).num_milliseconds();
        assert!(
            (pause * 1_000..=pause * 1_100).contains(&waits),
            "{waits} ms after try {}",
            done + 1
        );
        world.service.clock.set(due);
    }
    let row = tried(&world, &made, 8).await;
    assert_eq!(
        (&row["state"], &row["due_at"]),
        (&json!("failed"), &Value::Null)
    );
    for post in posts(&server).await {
        ids.push((
            header(&post, "webhook-id"),
            header(&post, "webhook-timestamp"),
        ));
    }
    assert_eq!(ids.len(), 8);
    assert!(ids.iter().all(|(id, _)| *id == ids[0].0), "the id stays");
    assert!(
        ids.windows(2).all(|pair| pair[0].1 < pair[1].1),
        "the time is each try's own"
    );
    let message = row["message_id"].as_str().unwrap();
    let (_, log) = call(
        &world,
        "GET",
        &format!("messages/{message}/attempts/"),
        json!({}),
    )
    .await;
    assert_eq!(log["count"], 8);
    let last = &log["results"][7];
    assert_eq!(
        (&last["number"], &last["error"], &last["status_code"]),
        (&json!(8), &json!("status"), &json!(500))
    );
    assert!(
        !log.to_string().contains("canary-answer"),
        "no body of a receiver is kept"
    );

    answers(&server, ok()).await;
    let resend = format!("messages/{message}/resend/");
    let (status, _) = call(&world, "POST", &resend, json!({"endpoint_id": made["id"]})).await;
    assert_eq!(status, 202);
    eventually(SOON, async || {
        deliveries(&world, &made).await[0]["state"] == "delivered"
    })
    .await;
    assert_eq!(header(&posts(&server).await[0], "webhook-id"), ids[0].0);
    assert_eq!(endpoint(&world, &made).await["consecutive_failures"], 0);
    let path = format!("endpoints/{}/statistics/", made["id"].as_str().unwrap());
    let (_, statistics) = call(&world, "GET", &path, json!({})).await;
    assert_eq!(
        (
            &statistics["delivered"],
            &statistics["failed"],
            &statistics["attempts"]
        ),
        (&json!(1), &json!(0), &json!(9))
    );
    assert!(statistics["median_ms"].is_number());
}

#[tokio::test]
async fn retry_after_is_honoured_and_holds_the_whole_endpoint() {
    let world = world().await;
    let busy = ResponseTemplate::new(429).insert_header("retry-after", "900");
    let server = receiver(busy).await;
    let made = register(&world, &server.uri(), json!({})).await;
    emit(&world, "payments", &settled(&world, Uuid::now_v7(), 1)).await;
    let row = tried(&world, &made, 1).await;
    let due: DateTime<Utc> = row["due_at"].as_str().unwrap().parse().unwrap();
    let waits = due - world.service.clock.shared().now();
    assert!(
        (899_990..=900_000).contains(&waits.num_milliseconds()),
        "{waits}"
    );
    emit(&world, "payments", &settled(&world, Uuid::now_v7(), 1)).await;
    eventually(SOON, async || deliveries(&world, &made).await.len() == 2).await;
    let until: DateTime<Utc> = endpoint(&world, &made).await["paused_until"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap();
    assert_eq!(until, due);
    answers(&server, ok()).await;
    world.service.clock.advance(TimeDelta::seconds(899));
    let other = receiver(ok()).await;
    register(&world, &other.uri(), json!({})).await;
    emit(&world, "payments", &settled(&world, Uuid::now_v7(), 1)).await;
    arrived(&other, 1).await;
    assert!(
        posts(&server).await.is_empty(),
        "nothing is posted within the pause"
    );
    world.service.clock.advance(TimeDelta::seconds(1));
    arrived(&server, 3).await;
}

#[tokio::test]
async fn an_endpoint_that_answers_410_is_switched_off_and_its_owner_told() {
    let world = world().await;
    let server = receiver(ResponseTemplate::new(410)).await;
    let made = register(
        &world,
        &server.uri(),
        json!({"notify_email": "it@clinic.test", "event_types": ["payment.success"]}),
    )
    .await;
    let watcher = receiver(ok()).await;
    register(
        &world,
        &watcher.uri(),
        json!({"event_types": ["endpoint.disabled"]}),
    )
    .await;
    emit(&world, "payments", &settled(&world, Uuid::now_v7(), 1)).await;
    let row = tried(&world, &made, 1).await;
    assert_eq!(row["state"], "failed");
    let now = endpoint(&world, &made).await;
    assert_eq!(
        (&now["is_active"], &now["disabled_reason"]),
        (&json!(false), &json!("gone"))
    );
    eventually(SOON, async || !world.inbox("it@clinic.test").is_empty()).await;
    assert!(world.inbox("it@clinic.test")[0].contains("410"));
    arrived(&watcher, 1).await;
    let told: Value = serde_json::from_slice(&posts(&watcher).await[0].body).unwrap();
    assert_eq!(
        (&told["data"]["endpoint_id"], &told["data"]["reason"]),
        (&made["id"], &json!("gone"))
    );

    emit(&world, "payments", &settled(&world, Uuid::now_v7(), 1)).await;
    eventually(SOON, async || deliveries(&world, &made).await.len() == 2).await;
    assert_eq!(posts(&server).await.len(), 1, "nothing more is posted");
    let id = made["id"].as_str().unwrap();
    let recover = format!("endpoints/{id}/recover/");
    let since = json!({"since": "2020-01-01T00:00:00Z"});
    assert_eq!(call(&world, "POST", &recover, since.clone()).await.0, 409);
    answers(&server, ok()).await;
    let (_, on) = call(
        &world,
        "PATCH",
        &format!("endpoints/{id}/"),
        json!({"is_active": true}),
    )
    .await;
    assert_eq!(
        (&on["is_active"], &on["disabled_reason"]),
        (&json!(true), &Value::Null)
    );
    let (status, recovering) = call(&world, "POST", &recover, since).await;
    assert_eq!((status, &recovering["recovering"]), (202, &json!(2)));
    arrived(&server, 2).await;
    eventually(SOON, async || {
        deliveries(&world, &made)
            .await
            .iter()
            .all(|d| d["state"] == "delivered")
    })
    .await;
}

#[tokio::test]
async fn an_endpoint_that_fails_for_120_hours_is_switched_off() {
    let world = world().await;
    let server = receiver(ResponseTemplate::new(503)).await;
    let made = register(&world, &server.uri(), json!({})).await;
    emit(&world, "payments", &settled(&world, Uuid::now_v7(), 1)).await;
    tried(&world, &made, 1).await;
    world.service.clock.advance(TimeDelta::hours(119));
    tried(&world, &made, 2).await;
    assert_eq!(endpoint(&world, &made).await["is_active"], true);
    world.service.clock.advance(TimeDelta::hours(1));
    // A try whose outcome could not be written is made again when its lease of 90 s is over.
    let (clock, lease) = (&world.service.clock, TimeDelta::seconds(100));
    eventually_stepping(clock, lease, SOON, async || {
        endpoint(&world, &made).await["is_active"] == false
    })
    .await;
    let now = endpoint(&world, &made).await;
    assert_eq!(now["disabled_reason"], "failing");
    assert_eq!(
        deliveries(&world, &made).await[0]["last_error"],
        "endpoint_disabled"
    );
    let logs = world
        .service
        .get("/api/integrations/logs/?level=critical")
        .bearer_auth(world.superuser());
    assert_eq!(
        answer(logs).await.1["results"][0]["action"],
        "endpoint_disabled"
    );
}
