//! The next provider: by refusal, by silence, by what is reported later; and providers that rest.

use chrono::TimeDelta;
use provider_simulators::{kavenegar::Behaviour, twilio, vendor::Faults};
use serde_json::json;
use service_testing::{eventually, eventually_stepping};

use crate::support::{PUBLIC_URL, SOON, Setup, World, answer, sms};

fn set(world: &World, change: impl FnOnce(&mut Behaviour)) {
    let mut behaviour = world.simulators.state.kavenegar.behaviour();
    change(&mut behaviour);
    world.simulators.state.kavenegar.set_behaviour(behaviour);
}

#[tokio::test]
async fn a_text_that_is_reported_undelivered_goes_to_the_next_provider() {
    for status in [6, 11, 14] {
        let mut world = World::with_kavenegar().await;
        set(&world, |behaviour| behaviour.delivery_status = Some(status));
        world.service.start_worker();
        let (_, body) = world
            .send(&sms("k1", "queued", "notification", "your report"))
            .await;
        assert_eq!(body["state"], "queued");
        eventually_stepping(
            &world.service.clock,
            TimeDelta::seconds(5),
            SOON,
            async || world.state_of("k1").await.as_deref() == Some("delivered"),
        )
        .await;
        let row = world
            .text_of("SELECT provider_slug || ' ' || array_to_string(failed_providers, ',') || ' ' || (content_sealed IS NULL) FROM messages")
            .await;
        assert_eq!(
            row.as_deref(),
            Some("development-inbox kavenegar true"),
            "status {status}"
        );
        let tries = world
            .text_of("SELECT string_agg(provider_slug || ':' || outcome, ' ' ORDER BY attempted_at, id) FROM message_attempts")
            .await;
        assert_eq!(
            tries.as_deref(),
            Some("kavenegar:accepted kavenegar:undelivered development-inbox:accepted")
        );
    }
}

#[tokio::test]
async fn an_old_code_goes_nowhere_else() {
    let mut world = World::with_kavenegar().await;
    let (_, body) = world.send(&sms("k1", "synchronous", "otp", "12345")).await;
    assert_eq!(body["provider"], "kavenegar");
    set(&world, |behaviour| behaviour.delivery_status = Some(11));
    world.service.clock.advance(TimeDelta::minutes(4));
    world.service.start_worker();
    eventually(SOON, async || {
        world.state_of("k1").await.as_deref() == Some("failed")
    })
    .await;
    assert_eq!(world.inbox("09120000010").len(), 1);
    let sealed = world
        .text_of("SELECT count(*) FROM messages WHERE content_sealed IS NOT NULL")
        .await;
    assert_eq!(sealed.as_deref(), Some("0"));
}

#[tokio::test]
async fn a_posted_receipt_is_believed_only_with_the_vendors_signature() {
    let world = World::with(Setup {
        vendors: &["twilio"],
        settings: vec![("server.public_url", PUBLIC_URL.to_owned())],
        ..Setup::default()
    })
    .await;
    let mut message = sms("k1", "synchronous", "notification", "votre compte rendu");
    message["to"] = json!("+221771234567");
    let (_, body) = world.send(&message).await;
    assert_eq!(body["provider"], "twilio", "{body}");
    let path = world.callback("twilio", "status").await;
    let url = format!("{PUBLIC_URL}{path}");
    let sent = world.simulators.state.recorder.of("Messages.json");
    assert_eq!(
        sent[0].body["StatusCallback"], url,
        "the vendor is told where to post"
    );
    let sid = world.simulators.state.twilio.taken()[0].id.clone();
    let fields = [("MessageSid", sid.as_str()), ("MessageStatus", "delivered")];
    let post = async |path: &str, fields: &[(&str, &str)], signature: &str| {
        answer(
            world
                .service
                .post(path)
                .header("x-twilio-signature", signature)
                .form(fields),
        )
        .await
        .0
    };
    let good = twilio::sign("twilio-token", &url, &fields).unwrap();
    assert_eq!(post(&path, &fields, "").await, 401);
    assert_eq!(
        post(
            &path,
            &[("MessageSid", &sid), ("MessageStatus", "failed")],
            &good
        )
        .await,
        401
    );
    let other = path.replacen("/twilio/", "/twilio/x", 1);
    assert_eq!(post(&other, &fields, &good).await, 401, "another address");
    assert_eq!(world.state_of("k1").await.as_deref(), Some("sent"));
    assert_eq!(post(&path, &fields, &good).await, 200);
    assert_eq!(world.state_of("k1").await.as_deref(), Some("delivered"));
    assert_eq!(
        post(&path, &fields, &good).await,
        200,
        "repeated: nothing happens"
    );
    let unknown = [("MessageSid", "SM404"), ("MessageStatus", "delivered")];
    let signature = twilio::sign("twilio-token", &url, &unknown).unwrap();
    assert_eq!(post(&path, &unknown, &signature).await, 200);
    let events = service_testing::published_events(&world.service.database.db).await;
    let delivered = events
        .iter()
        .filter(|event| event.name == "integrations.message_delivered");
    assert_eq!(delivered.count(), 1);
}

#[tokio::test]
async fn a_posted_failure_goes_to_the_next_provider() {
    let mut world = World::with(Setup {
        vendors: &["orange"],
        settings: vec![("server.public_url", PUBLIC_URL.to_owned())],
        ..Setup::default()
    })
    .await;
    let mut message = sms("k1", "synchronous", "credentials", "clé ABC");
    message["to"] = json!("+221771234567");
    let (_, body) = world.send(&message).await;
    assert_eq!(body["provider"], "orange");
    let id = world.simulators.state.orange.taken()[0].id.clone();
    let notice = json!({"deliveryInfoNotification": {"callbackData": id,
        "deliveryInfo": {"address": "tel:+221771234567", "deliveryStatus": "DeliveryImpossible"}}});
    let path = world.callback("orange", "status").await;
    assert_eq!(answer(world.service.post(&path).json(&notice)).await.0, 200);
    world.service.start_worker();
    eventually(SOON, async || {
        world.state_of("k1").await.as_deref() == Some("delivered")
    })
    .await;
    let provider = world.text_of("SELECT provider_slug FROM messages").await;
    assert_eq!(provider.as_deref(), Some("development-inbox"));
}

#[tokio::test]
async fn a_provider_that_fails_again_and_again_rests_and_is_tried_once_after() {
    let world = World::with(Setup {
        kavenegar: true,
        settings: vec![
            ("messages.breaker_failures", "3".to_owned()),
            ("messages.breaker_rest_seconds", "30".to_owned()),
        ],
        ..Setup::default()
    })
    .await;
    set(&world, |behaviour| behaviour.fail_with = Some(409));
    let asked = || world.simulators.state.recorder.of("/kavenegar/").len();
    for number in 0..5 {
        let key = format!("k{number}");
        let (status, body) = world.send(&sms(&key, "synchronous", "otp", "12345")).await;
        assert_eq!(
            (status, &body["provider"]),
            (200, &json!("development-inbox"))
        );
    }
    assert_eq!(asked(), 3, "after the third failure nobody asks it");
    world.service.clock.advance(TimeDelta::seconds(31));
    world.send(&sms("k5", "synchronous", "otp", "1")).await;
    world.send(&sms("k6", "synchronous", "otp", "1")).await;
    assert_eq!(asked(), 4, "one try after the rest, and it rests again");
    set(&world, |behaviour| behaviour.fail_with = None);
    world.service.clock.advance(TimeDelta::seconds(31));
    for key in ["k7", "k8"] {
        let (_, body) = world.send(&sms(key, "synchronous", "otp", "1")).await;
        assert_eq!(body["provider"], "kavenegar", "it is back");
    }
}

#[tokio::test]
async fn a_silent_vendor_costs_a_code_two_seconds_and_no_more() {
    let world = World::with(Setup {
        vendors: &["melipayamak"],
        ..Setup::default()
    })
    .await;
    world.simulators.state.melipayamak.set_faults(Faults {
        delay_ms: 60_000,
        ..Faults::default()
    });
    let started = std::time::Instant::now();
    let (status, body) = world.send(&sms("k1", "synchronous", "otp", "12345")).await;
    assert_eq!(
        (status, &body["provider"]),
        (200, &json!("development-inbox")),
        "{body}"
    );
    let waited = world
        .text_of("SELECT min(duration_ms) >= 1900 FROM message_attempts WHERE provider_slug = 'melipayamak'")
        .await;
    assert_eq!(waited.as_deref(), Some("true"));
    // The vendor would have taken a minute.
    assert!(started.elapsed() < std::time::Duration::from_secs(20));
}
