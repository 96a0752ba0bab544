//! Who wrote STOP: heard from every vendor, kept, and no bar to codes.

use common_types::ClinicRole;
use serde_json::json;
use service_testing::eventually;

use crate::support::{PUBLIC_URL, SOON, Setup, World, answer, sms};

async fn with_callbacks() -> World {
    World::with(Setup {
        kavenegar: true,
        settings: vec![("server.public_url", PUBLIC_URL.to_owned())],
        ..Setup::default()
    })
    .await
}

#[tokio::test]
async fn stop_is_heard_start_takes_it_back_and_codes_go_out_all_the_same() {
    let world = with_callbacks().await;
    let path = world.callback("kavenegar", "inbound").await;
    let write = async |id: &str, text: &str| {
        let fields = [
            ("messageid", id),
            ("from", "09120000010"),
            ("to", "10004346"),
            ("message", text),
        ];
        answer(world.service.post(&path).form(&fields)).await.0
    };
    assert_eq!(write("1", "لغو۱۱").await, 200);
    let (status, body) = world
        .send(&sms("k1", "synchronous", "notification", "news"))
        .await;
    assert_eq!((status, &body["state"]), (502, &json!("refused")), "{body}");
    let reason = world.text_of("SELECT error_code FROM messages").await;
    assert_eq!(reason.as_deref(), Some("recipient.opted_out"));
    assert_eq!(
        world
            .send(&sms("k2", "synchronous", "otp", "12345"))
            .await
            .0,
        200
    );
    assert_eq!(
        world
            .send(&sms("k3", "synchronous", "credentials", "key"))
            .await
            .0,
        200
    );
    let token = world.staff(ClinicRole::Secretary);
    let chelseru = json!({"mobile_number": "09120000010", "message_text": "news"});
    let (status, body) = world
        .call("POST", "/api/message/send/", &token, &chelseru)
        .await;
    assert_eq!(status, 400);
    assert!(body["mobile_number"].is_array(), "{body}");
    let (status, body) = world
        .call(
            "POST",
            "/api/integrations/sms/send/",
            &token,
            &json!({"receptor": "09120000010", "message": "news"}),
        )
        .await;
    assert_eq!((status, &body["success"]), (400, &json!(false)), "{body}");
    assert_eq!(world.inbox("09120000010").len(), 2, "the code and the key");
    assert_eq!(write("2", "START").await, 200);
    assert_eq!(write("1", "STOP").await, 200, "the first post again");
    let (status, _) = world
        .send(&sms("k4", "synchronous", "notification", "news"))
        .await;
    assert_eq!(status, 200, "a repeated post does not opt out again");
    let stranger = path.replacen("/inbound", "x/inbound", 1);
    let fields = [
        ("messageid", "9"),
        ("from", "09120000010"),
        ("message", "STOP"),
    ];
    assert_eq!(
        answer(world.service.post(&stranger).form(&fields)).await.0,
        401
    );
}

#[tokio::test]
async fn stop_reaches_what_waits_in_the_queue_and_help_is_answered() {
    let mut world = with_callbacks().await;
    let path = world.callback("kavenegar", "inbound").await;
    world
        .send(&sms("k1", "queued", "notification", "news"))
        .await;
    for (id, text) in [
        ("1", "STOP"),
        ("2", "start"),
        ("3", "راهنما"),
        ("4", "stop"),
    ] {
        let fields = [
            ("messageid", id),
            ("from", "09120000010"),
            ("message", text),
        ];
        assert_eq!(answer(world.service.post(&path).form(&fields)).await.0, 200);
    }
    world.service.start_worker();
    eventually(SOON, async || {
        world.state_of("k1").await.as_deref() == Some("failed")
    })
    .await;
    let helped = world
        .text_of("SELECT count(*) FROM messages WHERE owner = 'service:integrations'")
        .await;
    assert_eq!(helped.as_deref(), Some("1"));
    let words = world
        .text_of("SELECT string_agg(word, ',' ORDER BY dedupe_key) FROM sms_inbound")
        .await;
    assert_eq!(words.as_deref(), Some("stop,start,help,stop"));
}
