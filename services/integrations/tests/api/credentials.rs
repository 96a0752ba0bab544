use serde_json::{Value, json};

use crate::support::{World, answer};

const VALUE: &str = "canary-credential-value-1";

async fn provider_id(world: &World, slug: &str) -> Value {
    let request = world
        .service
        .get(&format!("/api/integrations/providers/{slug}/"))
        .bearer_auth(world.admin());
    answer(request).await.1["id"].clone()
}

async fn create(world: &World, token: &str, body: &Value) -> (u16, Value) {
    answer(
        world
            .service
            .post("/api/integrations/credentials/")
            .bearer_auth(token)
            .json(body),
    )
    .await
}

#[tokio::test]
async fn i22_a_credential_is_masked_and_never_shown() {
    let world = World::start().await;
    let body = json!({"provider": provider_id(&world, "kavenegar").await, "key_name": "api_key", "key_value": VALUE,
        "environment": "development"});
    let (status, created) = create(&world, &world.admin(), &body).await;
    assert_eq!(status, 201, "{created}");
    assert_eq!(created["masked_value"], "cana*****************ue-1");
    assert!(created.get("key_value").is_none() && !created.to_string().contains(VALUE));
    assert_eq!(
        (&created["is_encrypted"], &created["is_valid"]),
        (&json!(true), &json!(true))
    );
    let (status, again) = create(&world, &world.admin(), &body).await;
    assert_eq!(
        status, 400,
        "unique per provider, key, environment and organisation"
    );
    assert!(again["non_field_errors"].is_array());
    let (status, missing) = create(&world, &world.admin(), &json!({"key_name": "x"})).await;
    assert_eq!(
        (status, &missing["key_value"]),
        (400, &json!(["This field is required."]))
    );
    let mut wrong = body.clone();
    wrong["environment"] = json!("moon");
    assert_eq!(
        create(&world, &world.admin(), &wrong).await.1["environment"],
        json!(["\"moon\" is not a valid choice."])
    );
}

#[tokio::test]
async fn i22_rotation_changes_the_value_and_leaves_a_log_row() {
    let world = World::start().await;
    let body = json!({"provider": provider_id(&world, "kavenegar").await, "key_name": "api_key", "key_value": VALUE,
        "environment": "development"});
    let admin = world.admin();
    let id = create(&world, &admin, &body).await.1["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let path = format!("/api/integrations/credentials/{id}/rotate/");
    let (status, refused) = answer(
        world
            .service
            .post(&path)
            .bearer_auth(&admin)
            .json(&json!({})),
    )
    .await;
    assert_eq!(
        (status, refused),
        (400, json!({"error": "new_value is required"}))
    );
    let new = json!({"new_value": "canary-rotated-9876"});
    let (status, rotated) = answer(world.service.post(&path).bearer_auth(&admin).json(&new)).await;
    assert_eq!(
        (status, rotated),
        (
            200,
            json!({"success": true, "message": "Credential rotated successfully"})
        )
    );
    let (_, shown) = answer(
        world
            .service
            .get(&format!("/api/integrations/credentials/{id}/"))
            .bearer_auth(&admin),
    )
    .await;
    assert_eq!(shown["masked_value"], "cana***********9876");
    let logs = world
        .service
        .get("/api/integrations/logs/?action=rotate")
        .bearer_auth(&admin);
    let (_, logs) = answer(logs).await;
    assert_eq!(
        (&logs["count"], &logs["results"][0]["action"]),
        (&json!(1), &json!("rotate_credential"))
    );
    assert!(logs["results"][0]["user"].is_string());
}

#[tokio::test]
async fn another_organisation_sees_nothing() {
    let world = World::start().await;
    let body = json!({"provider": provider_id(&world, "kavenegar").await, "key_name": "api_key", "key_value": VALUE,
        "environment": "development"});
    let id = create(&world, &world.admin(), &body).await.1["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let stranger = world.token(|claims| {
        claims.org = Some(uuid::Uuid::now_v7());
        claims.clinic_role = Some(common_types::ClinicRole::Admin);
    });
    let get = world
        .service
        .get(&format!("/api/integrations/credentials/{id}/"))
        .bearer_auth(&stranger);
    assert_eq!(answer(get).await.0, 404);
    let rotate = world
        .service
        .post(&format!("/api/integrations/credentials/{id}/rotate/"))
        .bearer_auth(&stranger);
    assert_eq!(answer(rotate.json(&json!({"new_value": "x"}))).await.0, 404);
    let list = world
        .service
        .get("/api/integrations/credentials/")
        .bearer_auth(&stranger);
    assert_eq!(
        answer(list).await.1["count"],
        0,
        "the platform's own are not shown either"
    );
    let all = world
        .service
        .get("/api/integrations/credentials/")
        .bearer_auth(world.superuser());
    assert!(answer(all).await.1["count"].as_i64().unwrap() >= 2);
}

#[tokio::test]
async fn payments_reads_payment_credentials_and_nobody_else_does() {
    let world = World::start().await;
    let get = async |service: &str, slug: &str| {
        let token = world.service.issuer.service(service);
        answer(
            world
                .service
                .get(&format!("/internal/credentials/{slug}/"))
                .bearer_auth(token),
        )
        .await
    };
    let (status, body) = get("payments", "sandbox").await;
    assert_eq!(status, 200);
    assert_eq!(
        (&body["provider"], &body["values"]["api_key"]),
        (&json!("sandbox"), &json!("sandbox-key"))
    );
    assert_eq!(
        body["values"]["base_url"],
        format!("{}/dev/sandbox", world.simulators.base_url)
    );
    assert_eq!(get("chat", "sandbox").await.0, 403);
    assert_eq!(get("payments", "kavenegar").await.0, 404, "inactive");
    assert_eq!(
        get("payments", "development-inbox").await.0,
        403,
        "no payment provider"
    );
}

#[tokio::test]
async fn a_credential_that_ends_soon_is_warned_of_once_for_each_end() {
    use crate::outgoing_support::call;
    let world = World::start().await;
    let provider = provider_id(&world, "kavenegar").await;
    let now = world.service.clock.shared().now();
    let make = async |key_name: &str, days: i64| {
        let body = json!({"provider": provider, "key_name": key_name, "key_value": VALUE, "environment": "staging",
            "expires_at": now + chrono::TimeDelta::days(days)});
        let (status, made) = create(&world, &world.admin(), &body).await;
        assert_eq!(status, 201, "{made}");
        format!("credentials/{}/", made["id"].as_str().unwrap())
    };
    let soon = make("soon", 13).await;
    make("later", 60).await;
    let off = make("off", 3).await;
    call(&world, "PATCH", &off, json!({"is_active": false})).await;
    let told = async || -> Vec<Value> {
        let events = service_testing::published_events(&world.service.database.db).await;
        events
            .into_iter()
            .filter(|event| event.name == "integrations.credential_expiring")
            .map(|event| event.payload)
            .collect()
    };
    for _ in 0..3 {
        world.service.state.check_credentials().await.unwrap();
    }
    let first = told().await;
    assert_eq!(first.len(), 1, "{first:?}");
    assert_eq!(
        (
            &first[0]["key_name"],
            &first[0]["provider_slug"],
            &first[0]["organization_id"]
        ),
        (
            &json!("soon"),
            &json!("kavenegar"),
            &json!(world.organization)
        )
    );
    assert!(!serde_json::to_string(&first).unwrap().contains("canary"));
    let (_, logs) = call(&world, "GET", "logs/?action=credential_expiring", json!({})).await;
    assert_eq!(
        (&logs["count"], &logs["results"][0]["log_level"]),
        (&json!(1), &json!("warning")),
        "{logs}"
    );
    // Rotated with another end: warned of again when that is near, and as critical once it is over.
    let ends = json!({"expires_at": now + chrono::TimeDelta::days(40)});
    call(&world, "PATCH", &soon, ends).await;
    world.service.state.check_credentials().await.unwrap();
    assert_eq!(told().await.len(), 1);
    world.service.clock.advance(chrono::TimeDelta::days(41));
    world.service.state.check_credentials().await.unwrap();
    assert_eq!(
        told().await.len(),
        2,
        "40 days are over; 60 are more than 14 away"
    );
    let (_, logs) = call(
        &world,
        "GET",
        "logs/?action=credential_expiring&level=critical",
        json!({}),
    )
    .await;
    assert_eq!(logs["count"], 1, "{logs}");
}
