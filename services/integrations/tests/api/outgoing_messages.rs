//! Messages that an organisation sends itself, under types of its own.

use common_types::ClinicRole;
use futures_util::future::join_all;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::outgoing_support::{
    arrived, call, call_as, count, ok, posts, receiver, register, world,
};

#[tokio::test]
async fn an_organisation_sends_messages_under_types_of_its_own() {
    let world = world().await;
    let kind = json!({"name": "lab.sample_taken", "description": "A sample was taken."});
    let (status, made) = call(&world, "POST", "event-types/", kind.clone()).await;
    assert_eq!(
        (status, &made),
        (
            201,
            &json!({"name": "lab.sample_taken", "description": "A sample was taken.", "custom": true})
        )
    );
    assert_eq!(call(&world, "POST", "event-types/", kind).await.0, 409);
    let (_, list) = call(&world, "GET", "event-types/?search=sample", json!({})).await;
    assert_eq!((&list["count"], &list["results"][0]), (&json!(1), &made));

    let (wanting, other) = (receiver(ok()).await, receiver(ok()).await);
    let endpoint = register(
        &world,
        &wanting.uri(),
        json!({"event_types": ["lab.sample_taken"]}),
    )
    .await;
    register(
        &world,
        &other.uri(),
        json!({"event_types": ["payment.success"]}),
    )
    .await;
    let message = json!({"event_type": "lab.sample_taken", "data": {"sample": 7, "note": "سلام"}, "ordering_key": "bench-1",
        "event_id": "sample-7"});
    // Twenty at once with the same id are one message.
    let copies = (0..20).map(|_| call(&world, "POST", "messages/", message.clone()));
    let answers = join_all(copies).await;
    let new = answers.iter().filter(|(status, _)| *status == 202).count();
    assert!(
        new == 1
            && answers
                .iter()
                .all(|(status, _)| [200, 202].contains(status)),
        "{answers:?}"
    );
    let id = answers[0].1["id"].as_str().unwrap().to_owned();
    assert!(answers.iter().all(|(_, body)| body["id"] == id));
    arrived(&wanting, 1).await;
    let body: Value = serde_json::from_slice(&posts(&wanting).await[0].body).unwrap();
    assert_eq!(
        (
            &body["type"],
            &body["data"],
            &body["ordering_key"],
            &body["sequence"]
        ),
        (
            &json!("lab.sample_taken"),
            &json!({"sample": 7, "note": "سلام"}),
            &json!("bench-1"),
            &json!(1)
        )
    );
    assert!(posts(&other).await.is_empty());
    let rows = "SELECT count(*) AS count FROM outgoing_deliveries";
    assert_eq!(count(&world, rows).await, 1);
    let (_, attempts) = call(
        &world,
        "GET",
        &format!("messages/{id}/attempts/"),
        json!({}),
    )
    .await;
    assert_eq!(attempts["count"], 1);

    let mut changed = message.clone();
    changed["data"]["sample"] = json!(8);
    assert_eq!(
        call(&world, "POST", "messages/", changed).await.0,
        409,
        "the id was used"
    );
    let mut next = message.clone();
    next["event_id"] = json!("sample-8");
    assert_eq!(call(&world, "POST", "messages/", next).await.0, 202);
    arrived(&wanting, 2).await;
    let body: Value = serde_json::from_slice(&posts(&wanting).await[1].body).unwrap();
    assert_eq!(body["sequence"], 2);

    let example = format!(
        "endpoints/{}/send-example/",
        endpoint["id"].as_str().unwrap()
    );
    let kind = json!({"event_type": "lab.sample_taken"});
    assert_eq!(call(&world, "POST", &example, kind).await.0, 202);
    arrived(&wanting, 3).await;

    let path = "event-types/lab.sample_taken/";
    assert_eq!(
        call(&world, "DELETE", path, json!({})).await.0,
        409,
        "an endpoint names it"
    );
    let change = format!("endpoints/{}/", endpoint["id"].as_str().unwrap());
    call(&world, "PATCH", &change, json!({"event_types": []})).await;
    assert_eq!(call(&world, "DELETE", path, json!({})).await.0, 204);
    assert_eq!(call(&world, "DELETE", path, json!({})).await.0, 404);
    assert_eq!(
        call(&world, "POST", "messages/", message).await.0,
        400,
        "the type is gone"
    );
}

#[tokio::test]
async fn nobody_speaks_in_the_platforms_name_or_anothers() {
    let world = world().await;
    for (body, field) in [
        (json!({}), "name"),
        (json!({"name": "lab"}), "name"),
        (json!({"name": "Lab.Taken"}), "name"),
        (json!({"name": "payment.success"}), "name"),
        (json!({"name": "payment.forged"}), "name"),
        (
            json!({"name": "lab.taken", "description": "x".repeat(501)}),
            "description",
        ),
    ] {
        let (status, refused) = call(&world, "POST", "event-types/", body.clone()).await;
        assert!(
            status == 400 && refused[field].is_array(),
            "{body}: {refused}"
        );
    }
    let kind = json!({"name": "lab.taken"});
    assert_eq!(
        call(&world, "POST", "event-types/", kind.clone()).await.0,
        201
    );
    for (body, field) in [
        (
            json!({"event_type": "payment.success", "data": {}}),
            "event_type",
        ),
        (json!({"event_type": "lab.other", "data": {}}), "event_type"),
        (
            json!({"event_type": "lab.taken", "data": {"x": "x".repeat(70_000)}}),
            "data",
        ),
        (
            json!({"event_type": "lab.taken", "data": {}, "event_id": ""}),
            "event_id",
        ),
        (
            json!({"event_type": "lab.taken", "data": {}, "ordering_key": "x".repeat(256)}),
            "ordering_key",
        ),
    ] {
        let (status, refused) = call(&world, "POST", "messages/", body).await;
        assert!(
            status == 400 && refused[field].is_array(),
            "{field}: {refused}"
        );
    }
    let stranger = world.token(|claims| {
        claims.org = Some(Uuid::now_v7());
        claims.clinic_role = Some(ClinicRole::Admin);
    });
    let body = json!({"event_type": "lab.taken", "data": {}});
    assert_eq!(
        call_as(&world, &stranger, "POST", "messages/", body.clone())
            .await
            .0,
        400,
        "another organisation's type"
    );
    let (_, list) = call_as(
        &world,
        &stranger,
        "GET",
        "event-types/?search=lab",
        json!({}),
    )
    .await;
    assert_eq!(list["count"], 0);
    assert_eq!(
        call_as(
            &world,
            &stranger,
            "DELETE",
            "event-types/lab.taken/",
            json!({})
        )
        .await
        .0,
        404
    );
    let foreign = json!({"name": "x", "url": "http://127.0.0.1:9/", "event_types": ["lab.taken"]});
    let (status, refused) = call_as(&world, &stranger, "POST", "endpoints/", foreign).await;
    assert!(
        status == 400 && refused["event_types"].is_array(),
        "{refused}"
    );
    let doctor = world.staff(ClinicRole::Doctor);
    for (path, body) in [("messages/", body), ("event-types/", kind)] {
        assert_eq!(
            call_as(&world, &doctor, "POST", path, body).await.0,
            403,
            "{path}"
        );
    }
    let audit = "SELECT count(*) AS count FROM audit_entries WHERE action = 'integrations.event_type_created'";
    assert_eq!(count(&world, audit).await, 1);
}
