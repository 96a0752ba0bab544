//! A code that is spoken in a telephone call.

use serde_json::{Value, json};

use crate::support::{World, sms};

fn voice(key: &str) -> Value {
    let mut message = sms(key, "synchronous", "otp", "Your code: 12345");
    message["channel"] = json!("voice");
    message["template"] = json!({"key": "verify", "tokens": {"token": "12345"}});
    message
}

#[tokio::test]
async fn a12_a_code_is_spoken_by_kavenegars_lookup() {
    let world = World::with_kavenegar().await;
    let (status, body) = world.send(&voice("k1")).await;
    assert_eq!(
        (status, &body["state"], &body["provider"]),
        (200, &json!("sent"), &json!("kavenegar")),
        "{body}"
    );
    assert!(body["cost"].as_i64().is_some_and(|cost| cost > 0), "{body}");
    let calls = world.simulators.state.kavenegar.messages();
    assert_eq!(calls.len(), 1);
    assert!(calls[0].by_call && calls[0].by_template);
    assert_eq!(calls[0].receptor, "09120000010");
    assert!(calls[0].message.ends_with("12345"));
}

#[tokio::test]
async fn a_refused_call_goes_to_the_next_provider_that_speaks() {
    let world = World::with_kavenegar().await;
    let mut behaviour = world.simulators.state.kavenegar.behaviour();
    behaviour.fail_with = Some(428);
    world.simulators.state.kavenegar.set_behaviour(behaviour);
    let (status, body) = world.send(&voice("k1")).await;
    assert_eq!(
        (status, &body["provider"]),
        (200, &json!("development-inbox")),
        "{body}"
    );
    let (count, messages) =
        world
            .simulators
            .state
            .inbox
            .list(Some("09120000010"), Some("voice"), 1, 10);
    assert_eq!((count, messages[0].text.as_str()), (1, "Your code: 12345"));
}

#[tokio::test]
async fn only_codes_are_spoken() {
    let world = World::start().await;
    let mut message = voice("k1");
    message["purpose"] = json!("notification");
    let (status, body) = world.send(&message).await;
    assert_eq!(status, 400, "{body}");
    assert!(body["channel"].is_array(), "{body}");
}
