//! A long queue and a provider that fails one call in five: everything arrives, and nothing twice.

use std::{
    collections::HashSet,
    time::{Duration, Instant},
};

use chrono::TimeDelta;
use common_types::ClinicRole;
use serde_json::{Value, json};

use crate::support::{Setup, World};

const MESSAGES: usize = 10_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_texts_drain_through_a_provider_that_fails_a_fifth_of_the_calls() {
    let mut world = World::with(Setup {
        kavenegar: true,
        settings: vec![("development.stand_ins", "false".to_owned())],
        ..Setup::default()
    })
    .await;
    let mut behaviour = world.simulators.state.kavenegar.behaviour();
    behaviour.fail_one_in = 5;
    world.simulators.state.kavenegar.set_behaviour(behaviour);
    let token = world.staff(ClinicRole::Secretary);
    for page in 0..MESSAGES / 1_000 {
        // Texts of their own, so that each is a call of its own.
        let messages: Vec<Value> = (0..1_000)
            .map(|index| {
                let number = page * 1_000 + index;
                json!({"receptor": format!("0912{number:07}"), "message": format!("text {number}")})
            })
            .collect();
        let (status, body) = world
            .call(
                "POST",
                "/api/integrations/sms/bulk/",
                &token,
                &json!({"messages": messages}),
            )
            .await;
        assert_eq!(status, 202, "{body}");
    }
    world.service.start_worker();
    world.service.start_worker();
    let end = Instant::now() + Duration::from_secs(540);
    let done = "SELECT count(*) FROM messages WHERE state IN ('sent', 'delivered')";
    while world.text_of(done).await != Some(MESSAGES.to_string()) {
        assert!(
            Instant::now() < end,
            "{:?} of {MESSAGES}",
            world.text_of(done).await
        );
        tokio::time::sleep(Duration::from_millis(200)).await;
        // While a batch is in hand the clock goes slowly, so that no lease ends under a living worker; when all that is
        // left waits for its next try, it jumps there.
        let sending = "SELECT count(*) FROM messages WHERE state = 'sending'";
        let idle = world.text_of(sending).await.as_deref() == Some("0");
        let step = if idle { 60 } else { 1 };
        world.service.clock.advance(TimeDelta::seconds(step));
    }
    let taken = world.simulators.state.kavenegar.messages();
    let texts: HashSet<&str> = taken
        .iter()
        .map(|message| message.message.as_str())
        .collect();
    assert_eq!(
        (taken.len(), texts.len()),
        (MESSAGES, MESSAGES),
        "each once"
    );
    let outcomes = world
        .text_of(
            "SELECT count(*) > 1500 FROM message_attempts WHERE outcome IN ('refused', 'unknown')",
        )
        .await;
    assert_eq!(outcomes.as_deref(), Some("true"), "the provider did fail");
}
