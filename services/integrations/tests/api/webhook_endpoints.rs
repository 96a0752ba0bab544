//! Endpoints of incoming webhooks: rotation, changes, filters, second looks.

use chrono::TimeDelta;
use common_types::ClinicRole;
use serde_json::{Value, json};
use service_testing::eventually;
use uuid::Uuid;

use crate::{
    outgoing_support::{call, call_as, count},
    support::{SOON, World},
    webhook_support::{SECRET, paid, received, register, signed},
};

#[tokio::test]
async fn i08_a_secret_is_rotated_without_a_gap() {
    let world = World::start().await;
    let made = register(&world, "rotating", json!({})).await;
    let id = made["id"].as_str().unwrap();
    let path = format!("webhooks/{id}/rotate-secret/");
    let (status, rotated) = call(
        &world,
        "POST",
        &path,
        json!({"secret_key": "canary-newer", "overlap_hours": 2}),
    )
    .await;
    assert_eq!(status, 200, "{rotated}");
    assert!(
        rotated["previous_secret_until"].is_string() && !rotated.to_string().contains("canary")
    );
    assert_eq!(signed(&world, "rotating", SECRET, &paid("e1")).await.0, 200);
    assert_eq!(
        signed(&world, "rotating", "canary-newer", &paid("e2"))
            .await
            .0,
        200
    );
    world.service.clock.advance(TimeDelta::hours(2));
    assert_eq!(signed(&world, "rotating", SECRET, &paid("e3")).await.0, 401);
    assert_eq!(
        signed(&world, "rotating", "canary-newer", &paid("e4"))
            .await
            .0,
        200
    );
    let (_, _) = call(
        &world,
        "PATCH",
        &format!("webhooks/{id}/"),
        json!({"secret_key": "canary-newest"}),
    )
    .await;
    assert_eq!(
        signed(&world, "rotating", "canary-newer", &paid("e5"))
            .await
            .0,
        401
    );
    assert_eq!(
        signed(&world, "rotating", "canary-newest", &paid("e6"))
            .await
            .0,
        200
    );
    for table in [
        "webhook_endpoints",
        "webhook_events",
        "webhook_rejections",
        "outbox_events",
        "audit_entries",
        "integration_logs",
    ] {
        let sql = format!("SELECT count(*) AS count FROM {table} t WHERE t::text LIKE '%canary-%'");
        assert_eq!(count(&world, &sql).await, 0, "{table}");
    }
}

#[tokio::test]
async fn endpoints_are_changed_switched_off_and_removed() {
    let world = World::start().await;
    let made = register(&world, "one", json!({"tolerance_seconds": 100})).await;
    let path = format!("webhooks/{}/", made["id"].as_str().unwrap());
    let (status, changed) = call(
        &world,
        "PATCH",
        &path,
        json!({"name": "Other", "events": ["*"], "tolerance_seconds": null}),
    )
    .await;
    assert_eq!(status, 200, "{changed}");
    assert_eq!(
        (
            &changed["name"],
            &changed["tolerance_seconds"],
            &changed["endpoint_url"]
        ),
        (&json!("Other"), &Value::Null, &json!("one"))
    );
    assert_eq!(
        call(&world, "PATCH", &path, json!({"name": "Again"}))
            .await
            .1["events"],
        json!(["*"])
    );
    for (body, field) in [
        (json!({"name": ""}), "name"),
        (json!({"endpoint_url": "a b"}), "endpoint_url"),
        (json!({"retry_count": 21}), "retry_count"),
        (json!({"timeout_seconds": 0}), "timeout_seconds"),
        (json!({"tolerance_seconds": 0}), "tolerance_seconds"),
        (json!({"scheme": "none"}), "scheme"),
        (json!({"scheme_options": {}}), "scheme_options"),
        (json!({"provider": Uuid::now_v7()}), "provider"),
    ] {
        let (status, refused) = call(&world, "PATCH", &path, body.clone()).await;
        assert!(
            status == 400 && refused[field].is_array(),
            "{body}: {refused}"
        );
    }
    call(&world, "PATCH", &path, json!({"is_active": false})).await;
    assert_eq!(signed(&world, "one", SECRET, &paid("e1")).await.0, 404);
    let stranger = world.token(|claims| {
        claims.org = Some(Uuid::now_v7());
        claims.clinic_role = Some(ClinicRole::Admin);
    });
    for (verb, path) in [
        ("GET", path.clone()),
        ("PATCH", path.clone()),
        ("DELETE", path.clone()),
        ("POST", format!("{path}test/")),
    ] {
        assert_eq!(
            call_as(&world, &stranger, verb, &path, json!({})).await.0,
            404,
            "{verb} {path}"
        );
        let secretary = world.staff(ClinicRole::Secretary);
        assert_eq!(
            call_as(&world, &secretary, verb, &path, json!({})).await.0,
            403,
            "{verb} {path}"
        );
    }
    assert_eq!(call(&world, "DELETE", &path, json!({})).await.0, 204);
    let used = register(&world, "two", json!({})).await;
    signed(&world, "two", SECRET, &paid("e1")).await;
    let path = format!("webhooks/{}/", used["id"].as_str().unwrap());
    assert_eq!(
        call(&world, "DELETE", &path, json!({})).await.0,
        409,
        "what was received is kept"
    );
}

#[tokio::test]
async fn an_event_is_looked_at_again_when_its_endpoint_has_learnt_the_type() {
    let mut world = World::start().await;
    let made = register(&world, "late", json!({"events": []})).await;
    assert_eq!(signed(&world, "late", SECRET, &paid("e1")).await.0, 422);
    let path = format!("webhooks/{}/", made["id"].as_str().unwrap());
    call(
        &world,
        "PATCH",
        &path,
        json!({"events": ["payment.success"]}),
    )
    .await;
    world.service.clock.advance(TimeDelta::minutes(2));
    world.service.start_worker();
    eventually(SOON, async || !received(&world).await.is_empty()).await;
    let (_, list) = call(&world, "GET", "webhook-events/?processed=true", json!({})).await;
    assert_eq!(list["count"], 1);
    let id = list["results"][0]["id"].as_str().unwrap();
    let (status, one) = call(&world, "GET", &format!("webhook-events/{id}/"), json!({})).await;
    assert_eq!(
        (status, &one["event_type"]),
        (200, &json!("payment.success"))
    );
    let (status, _) = call(
        &world,
        "POST",
        &format!("webhook-events/{id}/retry/"),
        json!({}),
    )
    .await;
    assert_eq!(status, 400, "retry is for what was not handed on");
    let (status, replayed) = call(
        &world,
        "POST",
        &format!("webhook-events/{id}/replay/"),
        json!({}),
    )
    .await;
    assert_eq!((status, &replayed["success"]), (200, &json!(true)));
    let versions: Vec<i64> = received(&world)
        .await
        .iter()
        .map(|e| e["aggregate_version"].as_i64().unwrap())
        .collect();
    assert!(
        versions.len() == 2 && versions[0] < versions[1],
        "consumers apply the newer one: {versions:?}"
    );
}

#[tokio::test]
async fn a_test_event_succeeds_where_test_is_configured() {
    let world = World::start().await;
    let made = register(&world, "t", json!({})).await;
    let path = format!("webhooks/{}/test/", made["id"].as_str().unwrap());
    let (status, refused) = call(&world, "POST", &path, json!({})).await;
    assert_eq!((status, &refused["success"]), (200, &json!(false)));
    assert!(
        refused["event_id"].is_string()
            && refused["message"]
                .as_str()
                .unwrap()
                .contains("not configured")
    );
    let change = format!("webhooks/{}/", made["id"].as_str().unwrap());
    call(&world, "PATCH", &change, json!({"events": ["test"]})).await;
    let (_, done) = call(&world, "POST", &path, json!({})).await;
    assert_eq!(done["success"], true);
    assert_eq!(received(&world).await[0]["event_type"], "test");
}
