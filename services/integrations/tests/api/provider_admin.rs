//! Providers made, changed and removed; health with its alarms; credentials switched off and removed.

use chrono::TimeDelta;
use serde_json::{Value, json};
use service_testing::published_events;
use uuid::Uuid;

use crate::{
    outgoing_support::{call, call_as},
    support::World,
};

async fn as_superuser(world: &World, verb: &str, path: &str, body: Value) -> (u16, Value) {
    call_as(world, &world.superuser(), verb, path, body).await
}

#[tokio::test]
async fn i01_providers_are_made_changed_and_removed_by_superusers() {
    let world = World::start().await;
    let body = json!({"name": "PayTech", "slug": "paytech", "provider_type": "payment", "api_base_url": "https://paytech.sn/"});
    assert_eq!(
        call(&world, "POST", "providers/", body.clone()).await.0,
        403
    );
    let (status, made) = as_superuser(&world, "POST", "providers/", body.clone()).await;
    assert_eq!(status, 201, "{made}");
    assert_eq!(
        (&made["status"], &made["description"]),
        (&json!("active"), &json!(""))
    );
    assert_eq!(made["api_base_url"], "https://paytech.sn");
    let (status, twice) = as_superuser(&world, "POST", "providers/", body).await;
    assert!(status == 400 && twice["name"].is_array(), "{twice}");
    let (_, same_slug) = as_superuser(
        &world,
        "POST",
        "providers/",
        json!({"name": "W", "slug": "paytech", "provider_type": "payment"}),
    )
    .await;
    assert!(same_slug["slug"].is_array(), "{same_slug}");
    for (bad, field) in [
        (json!({"slug": "x", "provider_type": "sms"}), "name"),
        (
            json!({"name": "x", "slug": "a b", "provider_type": "sms"}),
            "slug",
        ),
        (
            json!({"name": "x", "slug": "x", "provider_type": "post"}),
            "provider_type",
        ),
        (
            json!({"name": "x", "slug": "x", "provider_type": "sms", "status": "asleep"}),
            "status",
        ),
        (
            json!({"name": "x", "slug": "x", "provider_type": "sms", "adapter": "development_inbox"}),
            "adapter",
        ),
        (
            json!({"name": "x", "slug": "x", "provider_type": "sms", "api_base_url": "ftp://x"}),
            "api_base_url",
        ),
        (
            json!({"name": "x", "slug": "x", "provider_type": "sms", "settings": []}),
            "settings",
        ),
    ] {
        let (status, refused) = as_superuser(&world, "POST", "providers/", bad.clone()).await;
        assert!(
            status == 400 && refused[field].is_array(),
            "{bad}: {refused}"
        );
    }
    let (status, changed) = as_superuser(
        &world,
        "PATCH",
        "providers/paytech/",
        json!({"name": "Wave Senegal", "status": "maintenance"}),
    )
    .await;
    assert_eq!(
        (status, &changed["name"], &changed["status"]),
        (200, &json!("Wave Senegal"), &json!("maintenance"))
    );
    let (_, settings) = as_superuser(&world, "GET", "providers/paytech/settings/", json!({})).await;
    assert_eq!(
        (&settings["adapter"], &settings["priority"]),
        (&json!("payment_gateway"), &json!(100))
    );
    let (_, settings) = as_superuser(
        &world,
        "PATCH",
        "providers/paytech/settings/",
        json!({"priority": 5, "settings": {"balance_alarm": 10}}),
    )
    .await;
    assert_eq!(
        (
            &settings["priority"],
            &settings["settings"]["balance_alarm"]
        ),
        (&json!(5), &json!(10))
    );
    let (status, _) = as_superuser(
        &world,
        "PATCH",
        "providers/paytech/settings/",
        json!({"settings": {"balance_alarm": "x"}}),
    )
    .await;
    assert_eq!(status, 400);
    assert_eq!(
        as_superuser(&world, "DELETE", "providers/sandbox/", json!({}))
            .await
            .0,
        409,
        "it has a credential"
    );
    assert_eq!(
        as_superuser(&world, "DELETE", "providers/paytech/", json!({}))
            .await
            .0,
        204
    );
    assert_eq!(
        as_superuser(&world, "GET", "providers/paytech/", json!({}))
            .await
            .0,
        404
    );
}

async fn told(world: &World, name: &str) -> Vec<Value> {
    let events = published_events(&world.service.database.db).await;
    events
        .into_iter()
        .filter(|e| e.name == name)
        .map(|e| e.payload)
        .collect()
}

#[tokio::test]
async fn three_failed_checks_raise_an_alarm_and_recovery_is_told() {
    let world = World::with_kavenegar().await;
    let mut behaviour = world.simulators.state.kavenegar.behaviour();
    behaviour.fail_with = Some(401);
    world.simulators.state.kavenegar.set_behaviour(behaviour);
    for _ in 0..2 {
        world.service.state.check_providers().await.unwrap();
    }
    assert!(
        told(&world, "integrations.provider_unhealthy")
            .await
            .is_empty()
    );
    for _ in 0..3 {
        world.service.state.check_providers().await.unwrap();
    }
    let unhealthy = told(&world, "integrations.provider_unhealthy").await;
    assert_eq!(unhealthy.len(), 1, "once, not with every check");
    assert_eq!(
        (&unhealthy[0]["provider_slug"], &unhealthy[0]["failures"]),
        (&json!("kavenegar"), &json!(3))
    );
    let mut behaviour = world.simulators.state.kavenegar.behaviour();
    behaviour.fail_with = None;
    world.simulators.state.kavenegar.set_behaviour(behaviour);
    for _ in 0..2 {
        world.service.state.check_providers().await.unwrap();
    }
    assert_eq!(
        told(&world, "integrations.provider_recovered").await.len(),
        1
    );
    let (_, settings) =
        as_superuser(&world, "GET", "providers/kavenegar/settings/", json!({})).await;
    assert_eq!(
        (
            &settings["consecutive_failures"],
            &settings["last_health"]["status"]
        ),
        (&json!(0), &json!("healthy"))
    );

    let balance = settings["last_health"]["balance"].as_i64().unwrap();
    let mut wanted = settings["settings"].clone();
    wanted["balance_alarm"] = json!(balance + 1);
    as_superuser(
        &world,
        "PATCH",
        "providers/kavenegar/settings/",
        json!({"settings": wanted}),
    )
    .await;
    for _ in 0..2 {
        world.service.state.check_providers().await.unwrap();
    }
    let alarms = told(&world, "integrations.provider_unhealthy").await;
    assert_eq!(alarms.len(), 2);
    assert_eq!(alarms[1]["reason"], "low_balance");
    wanted["balance_alarm"] = json!(balance);
    as_superuser(
        &world,
        "PATCH",
        "providers/kavenegar/settings/",
        json!({"settings": wanted}),
    )
    .await;
    world.service.state.check_providers().await.unwrap();
    assert_eq!(
        told(&world, "integrations.provider_recovered").await.len(),
        2
    );
}

#[tokio::test]
async fn i22_a_credential_that_is_off_expired_or_removed_is_not_valid() {
    let world = World::start().await;
    let provider = call(&world, "GET", "providers/kavenegar/", json!({}))
        .await
        .1["id"]
        .clone();
    let body = json!({"provider": provider, "key_name": "api_key", "key_value": "canary-credential-9", "environment": "development"});
    let (_, made) = call(&world, "POST", "credentials/", body).await;
    let path = format!("credentials/{}/", made["id"].as_str().unwrap());
    let (status, off) = call(&world, "PATCH", &path, json!({"is_active": false})).await;
    assert_eq!(
        (status, &off["is_active"], &off["is_valid"]),
        (200, &json!(false), &json!(false))
    );
    let ends = world.service.clock.shared().now() + TimeDelta::hours(1);
    let (_, on) = call(
        &world,
        "PATCH",
        &path,
        json!({"is_active": true, "expires_at": ends}),
    )
    .await;
    assert_eq!(
        (&on["is_valid"], on["expires_at"].is_string()),
        (&json!(true), true)
    );
    world.service.clock.advance(TimeDelta::hours(2));
    assert_eq!(
        call(&world, "GET", &path, json!({})).await.1["is_valid"],
        false
    );
    assert_eq!(
        call(&world, "PATCH", &path, json!({"expires_at": null}))
            .await
            .1["is_valid"],
        true
    );
    let stranger = world.token(|claims| {
        claims.org = Some(Uuid::now_v7());
        claims.clinic_role = Some(common_types::ClinicRole::Admin);
    });
    for verb in ["PATCH", "DELETE"] {
        assert_eq!(
            call_as(&world, &stranger, verb, &path, json!({})).await.0,
            404
        );
    }
    assert_eq!(call(&world, "DELETE", &path, json!({})).await.0, 204);
    assert_eq!(call(&world, "GET", &path, json!({})).await.0, 404);
    let changes = told(&world, "integrations.credential_changed").await;
    let of_it: Vec<&Value> = changes
        .iter()
        .filter(|e| e["credential_id"] == made["id"])
        .collect();
    assert_eq!(of_it.len(), 5, "made, off, on, endless, removed");
    assert!(!serde_json::to_string(&changes).unwrap().contains("canary"));
}
