//! The verb get_status (I06): a text's provider is asked at once.

use common_types::ClinicRole;
use serde_json::{Value, json};
use service_testing::published_events;

use crate::{
    outgoing_support::call_as,
    support::{Setup, World, sms},
};

async fn sent(world: &World, token: &str) -> String {
    let body = json!({"receptor": "09123456789", "message": "سلام"});
    let (status, sent) = call_as(world, token, "POST", "sms/send/", body).await;
    assert_eq!(status, 200, "{sent}");
    sent["id"].as_str().unwrap().to_owned()
}

async fn refresh(world: &World, token: &str, id: &str) -> (u16, Value) {
    call_as(
        world,
        token,
        "POST",
        &format!("sms/{id}/refresh/"),
        json!({}),
    )
    .await
}

#[tokio::test]
async fn i06_get_status_asks_the_provider_now() {
    let world = World::with(Setup {
        kavenegar: true,
        settings: vec![("development.stand_ins", "false".to_owned())],
        ..Setup::default()
    })
    .await;
    let token = world.staff(ClinicRole::Secretary);
    let id = sent(&world, &token).await;
    let kavenegar = &world.simulators.state.kavenegar;
    let set = |status: u16| {
        let mut behaviour = kavenegar.behaviour();
        behaviour.delivery_status = Some(status);
        kavenegar.set_behaviour(behaviour);
    };
    set(4);
    let (status, shown) = refresh(&world, &token, &id).await;
    assert_eq!(
        (status, &shown["status"]),
        (200, &json!("sent")),
        "at the operator: {shown}"
    );
    set(10);
    let (status, shown) = refresh(&world, &token, &id).await;
    assert_eq!(
        (status, &shown["status"], shown["finished_at"].is_string()),
        (200, &json!("delivered"), true),
        "{shown}"
    );
    let asked = world.simulators.state.recorder.of("sms/status.json");
    assert_eq!(asked.len(), 2);
    let told: Vec<String> = published_events(&world.service.database.db)
        .await
        .into_iter()
        .map(|event| event.name)
        .filter(|name| name.starts_with("integrations.message_"))
        .collect();
    assert_eq!(
        told,
        ["integrations.message_delivered"],
        "its owner is told, once"
    );
    // Whose fate is known is not asked about again.
    assert_eq!(refresh(&world, &token, &id).await.1["status"], "delivered");
    assert_eq!(
        world.simulators.state.recorder.of("sms/status.json").len(),
        2
    );

    let lost = sent(&world, &token).await;
    set(11);
    let (_, shown) = refresh(&world, &token, &lost).await;
    assert_eq!(
        (&shown["status"], &shown["error_code"]),
        (&json!("failed"), &json!("not_delivered")),
        "nobody else could carry it: {shown}"
    );
    let silent = sent(&world, &token).await;
    let mut behaviour = kavenegar.behaviour();
    behaviour.fail_with = Some(409);
    kavenegar.set_behaviour(behaviour);
    let (status, refused) = refresh(&world, &token, &silent).await;
    assert_eq!(status, 502, "{refused}");

    let stranger = world.token(|claims| {
        claims.org = Some(uuid::Uuid::now_v7());
        claims.clinic_role = Some(ClinicRole::Secretary);
    });
    assert_eq!(refresh(&world, &stranger, &id).await.0, 404);
    assert_eq!(refresh(&world, &token, "999999999").await.0, 404);
}

#[tokio::test]
async fn a_provider_that_tells_nothing_when_asked_is_named_so() {
    let world = World::with_vendors(&["orange"]).await;
    let mut text = sms("k1", "synchronous", "notification", "Bonjour");
    text["to"] = json!("+221771234567");
    text["organization_id"] = json!(world.organization);
    let (status, taken) = world.send(&text).await;
    assert_eq!((status, &taken["state"]), (200, &json!("sent")), "{taken}");
    let id = world.text_of("SELECT id FROM messages").await.unwrap();
    let token = world.staff(ClinicRole::Secretary);
    let (status, refused) = refresh(&world, &token, &id).await;
    assert_eq!((status, refused.get("id")), (409, None), "{refused}");
    assert_eq!(
        world.state_of("k1").await.as_deref(),
        Some("sent"),
        "nothing changed"
    );
}
