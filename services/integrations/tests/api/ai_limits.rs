//! AI limits under load, hang-ups and crashes (decision 16, INV12, Q-C3).

use chrono::TimeDelta;
use futures_util::future::join_all;
use provider_simulators::openai::AiBehaviour;
use serde_json::{Value, json};
use service_testing::{eventually, published_events};
use uuid::Uuid;

use crate::{
    ai::{generate, limit, request},
    ai_support::{AiWorld, KEY, counted, open_reservations, question},
    support::{SOON, answer},
};

#[tokio::test]
async fn q_c3_a_thousand_parallel_calls_stop_exactly_at_the_limit() {
    let ai = AiWorld::with(&["openai"], Vec::new()).await;
    let world = &ai.world;
    limit(
        world,
        "organization",
        world.organization,
        "requests_limit",
        37,
    )
    .await;
    // Whoever calls: services, partners in one piece and partners by streams.
    let call = async |n: i32| {
        let mut body = question("gpt-4", "hi");
        match n % 3 {
            0 => {
                generate(&ai.world, &request(&ai.world, &format!("k{n}"), None))
                    .await
                    .0
            }
            1 => answer(ai.chat(KEY, &body)).await.0,
            _ => {
                body["stream"] = json!(true);
                let sent = ai.chat(KEY, &body).send().await.unwrap();
                let status = sent.status().as_u16();
                let _ = sent.bytes().await.unwrap();
                status
            }
        }
    };
    // Forty at a time. On a machine that is busy with other things a call may find no connection to the database in time;
    // it is made again, as its caller would.
    let patient = async |n: i32| {
        let mut status = call(n).await;
        while status >= 500 {
            status = call(n).await;
        }
        status
    };
    let mut statuses = Vec::new();
    let all: Vec<i32> = (0..1_000).collect();
    for batch in all.chunks(40) {
        statuses.extend(join_all(batch.iter().map(|n| patient(*n))).await);
    }
    let made = statuses.iter().filter(|status| **status == 200).count();
    let refused = statuses
        .iter()
        .filter(|status| matches!(status, 402 | 429))
        .count();
    assert_eq!((made, refused), (37, 963));
    assert_eq!(world.simulators.state.openai.calls().len(), 37);
    let (requests, tokens, cost) = counted(world).await;
    assert_eq!((requests, open_reservations(world).await), (37, 0));
    let events = published_events(&world.service.database.db).await;
    let sum = |name: &str| -> i64 {
        events
            .iter()
            .filter(|event| event.name == "integrations.ai_usage_recorded")
            .map(|event| event.payload[name].as_i64().unwrap())
            .sum()
    };
    assert_eq!((sum("total_tokens"), sum("cost_micros")), (tokens, cost));
}

#[tokio::test]
async fn c04_a_token_limit_counts_what_may_be_used_until_it_is_known() {
    let ai = AiWorld::with(&["openai"], Vec::new()).await;
    let world = &ai.world;
    limit(
        world,
        "organization",
        world.organization,
        "tokens_limit",
        1_500,
    )
    .await;
    let mut body = question("gpt-4", "hi");
    body["max_tokens"] = json!(1_000);
    let (first, second) = tokio::join!(answer(ai.chat(KEY, &body)), answer(ai.chat(KEY, &body)));
    let mut both = [first.0, second.0];
    both.sort_unstable();
    // Either both at once and one refused, or one after the other: then the first gave back what it did not use.
    assert!(both == [200, 429] || both == [200, 200], "{both:?}");
    let (status, _) = answer(ai.chat(KEY, &body)).await;
    assert_eq!(status, 200, "what was not used is free again");
    body["max_tokens"] = json!(2_000);
    let (status, refused) = answer(ai.chat(KEY, &body)).await;
    assert_eq!(
        (status, &refused["error"]["code"]),
        (429, &json!("insufficient_quota"))
    );
}

#[tokio::test]
async fn q_c3_a_killed_process_leaves_nothing_reserved() {
    let mut ai = AiWorld::with(&["openai"], Vec::new()).await;
    ai.openai(AiBehaviour {
        delay_ms: 600_000,
        ..AiBehaviour::default()
    });
    let body = request(&ai.world, "lost", None);
    let call = ai
        .world
        .as_service("content", "/internal/ai/generate/", &body)
        .build()
        .unwrap();
    let client = reqwest::Client::new();
    let hanging = tokio::spawn(async move { client.execute(call).await });
    eventually(SOON, async || open_reservations(&ai.world).await == 1).await;
    assert_eq!(counted(&ai.world).await.0, 1);
    hanging.abort();
    // The process that made the call never comes back: only time tells.
    ai.world.service.clock.advance(TimeDelta::minutes(5));
    ai.world.service.start_worker();
    eventually(SOON, async || counted(&ai.world).await == (0, 0, 0)).await;
    assert_eq!(open_reservations(&ai.world).await, 0);
    let events = published_events(&ai.world.service.database.db).await;
    let lost: Vec<&Value> = events
        .iter()
        .filter(|event| event.name == "integrations.ai_usage_recorded")
        .map(|event| &event.payload)
        .collect();
    assert_eq!((lost.len(), &lost[0]["error_code"]), (1, &json!("lost")));
}

#[tokio::test]
async fn q_c3_all_calls_together_have_a_daily_bound() {
    // One call may cost up to 60,000 + 30 millionths (1,000 tokens of gpt-4); two do not fit.
    let settings = vec![("ai.daily_spend_micros", "100000".to_owned())];
    let ai = AiWorld::with(&["openai"], settings).await;
    ai.openai(AiBehaviour {
        reply: Some("word ".repeat(900)),
        ..AiBehaviour::default()
    });
    assert_eq!(answer(ai.chat(KEY, &question("gpt-4", "a"))).await.0, 200);
    let (status, refused) = answer(ai.chat(KEY, &question("gpt-4", "b"))).await;
    assert_eq!(
        (status, &refused["error"]["code"]),
        (429, &json!("insufficient_quota"))
    );
    let elsewhere = json!({"purpose": "content_generation", "prompt": "x", "max_tokens": 1_000, "temperature": 0.7,
        "user_id": null, "organization_id": Uuid::now_v7(), "reservation_key": "k"});
    let (status, refused) = generate(&ai.world, &elsewhere).await;
    assert_eq!(
        (status, &refused["scope"]),
        (402, &json!("platform")),
        "whoever calls"
    );
    ai.world.service.clock.advance(TimeDelta::days(1));
    let tomorrow = ai
        .world
        .service
        .post("/internal/ai/generate/")
        .json(&elsewhere)
        .bearer_auth(ai.world.service.issuer.service("content"));
    assert_eq!(answer(tomorrow).await.0, 200);
}
