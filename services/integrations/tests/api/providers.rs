use common_types::ClinicRole;
use serde_json::{Value, json};

use crate::support::{World, answer, sms};

async fn get(world: &World, path: &str) -> (u16, Value) {
    let token = world.staff(ClinicRole::Secretary);
    answer(
        world
            .service
            .get(&format!("/api/integrations/providers/{path}"))
            .bearer_auth(token),
    )
    .await
}

#[tokio::test]
async fn i02_providers_are_listed_by_name_and_filtered() {
    let world = World::start().await;
    let (status, list) = get(&world, "").await;
    assert_eq!(status, 200);
    let names: Vec<&str> = list["results"]
        .as_array()
        .unwrap()
        .iter()
        .map(|p| p["name"].as_str().unwrap())
        .collect();
    assert_eq!(json!(names.len()), list["count"]);
    assert!(names.contains(&"Kavenegar") && names.contains(&"Sandbox payments"));
    let (_, filtered) = get(&world, "?type=sms&status=active").await;
    assert_eq!(filtered["results"][0]["slug"], "development-inbox");
    assert_eq!(
        filtered["count"], 1,
        "Kavenegar has no key here, so it is inactive"
    );
    let (status, one) = get(&world, "sandbox/").await;
    assert_eq!(status, 200);
    let mut keys: Vec<&String> = one.as_object().unwrap().keys().collect();
    keys.sort();
    assert_eq!(
        keys,
        [
            "api_base_url",
            "created_at",
            "credentials_count",
            "description",
            "documentation_url",
            "id",
            "logs_count",
            "name",
            "provider_type",
            "slug",
            "status",
            "updated_at"
        ]
    );
    assert_eq!(one["credentials_count"], 1);
    let (status, missing) = get(&world, "none/").await;
    assert_eq!(
        (status, &missing["detail"]),
        (
            404,
            &json!("No IntegrationProvider matches the given query.")
        )
    );
}

#[tokio::test]
async fn i02_health_check_answers_under_both_spellings() {
    let world = World::with_kavenegar().await;
    for spelling in ["health-check", "health_check"] {
        let (status, body) = get(&world, &format!("kavenegar/{spelling}/")).await;
        assert_eq!(
            (status, &body["status"]),
            (200, &json!("healthy")),
            "{body}"
        );
        assert!(
            body["balance"].is_i64()
                && body["response_time_ms"].is_u64()
                && body["details"].is_object()
        );
    }
    let (status, ai) = get(&world, "tabib-extractive/health-check/").await;
    assert_eq!((status, &ai["model"]), (200, &json!("tabib-extractive-1")));
    let (status, body) = get(&world, "sandbox/health-check/").await;
    assert_eq!(
        (status, body),
        (
            501,
            json!({"error": "Health check not implemented for this provider"})
        )
    );
    let mut behaviour = world.simulators.state.kavenegar.behaviour();
    behaviour.fail_with = Some(401);
    world.simulators.state.kavenegar.set_behaviour(behaviour);
    let (status, body) = get(&world, "kavenegar/health-check/").await;
    assert_eq!(
        (status, &body["status"]),
        (200, &json!("unhealthy")),
        "an unhealthy provider is 200 too"
    );
    assert_eq!(body["error"], "حساب کاربری غیرفعال شده است");
}

#[tokio::test]
async fn i02_statistics_count_logs_webhooks_and_credentials() {
    let world = World::start().await;
    let mut message = sms("k", "synchronous", "notification", "hello");
    message["organization_id"] = json!(world.organization);
    assert_eq!(world.send(&message).await.0, 200);
    let (status, body) = get(&world, "development-inbox/statistics/?days=7").await;
    assert_eq!(status, 200);
    assert_eq!(
        (&body["provider"], &body["period_days"]),
        (&json!("Development inbox (SMS)"), &json!(7))
    );
    assert_eq!(body["logs"], json!({"total": 1, "by_level": {"info": 1}}));
    assert_eq!(body["webhooks"], json!({}), "no endpoint, no numbers");
    let (_, sandbox) = get(&world, "sandbox/statistics/").await;
    assert_eq!(
        sandbox["webhooks"],
        json!({"total": 0, "processed": 0, "failed": 0})
    );
    assert_eq!(get(&world, "sandbox/statistics/?days=x").await.0, 400);
}

#[tokio::test]
async fn i08_only_a_superuser_switches_a_provider() {
    let world = World::start().await;
    let patch = async |token: String, body: Value| {
        let path = "/api/integrations/providers/development-inbox/";
        answer(
            world
                .service
                .request(reqwest::Method::PATCH, path)
                .bearer_auth(token)
                .json(&body),
        )
        .await
    };
    assert_eq!(
        patch(world.admin(), json!({"status": "inactive"})).await.0,
        403
    );
    assert_eq!(
        patch(world.superuser(), json!({"status": "asleep"}))
            .await
            .0,
        400
    );
    let (status, body) = patch(world.superuser(), json!({"status": "inactive"})).await;
    assert_eq!((status, &body["status"]), (200, &json!("inactive")));
    let (status, refused) = world.send(&sms("k1", "synchronous", "otp", "1")).await;
    assert_eq!(
        (status, &refused["state"]),
        (502, &json!("refused")),
        "felt at once"
    );
    patch(world.superuser(), json!({"status": "active"})).await;
    assert_eq!(
        world.send(&sms("k2", "synchronous", "otp", "1")).await.0,
        200
    );
}

#[tokio::test]
async fn production_switches_off_what_development_left_behind() {
    use integrations::Integrations;
    use service_testing::ServiceSetup;
    let world = World::start().await;
    assert_eq!(
        get(&world, "development-inbox/").await.1["status"],
        "active"
    );
    let production = ServiceSetup::new()
        .sealing()
        .set("environment", "production")
        .issuer(world.service.issuer.clone())
        .database(world.service.database.clone())
        .start::<Integrations>()
        .await;
    for slug in [
        "development-inbox",
        "development-mail",
        "sandbox",
        "tabib-extractive",
    ] {
        let request = production
            .get(&format!("/api/integrations/providers/{slug}/"))
            .bearer_auth(world.admin());
        assert_eq!(answer(request).await.1["status"], "inactive", "{slug}");
    }
    let token = production.issuer.service("auth-otp");
    let send = production.post("/internal/messages/").bearer_auth(token);
    let (status, refused) = answer(send.json(&sms("k1", "synchronous", "otp", "1"))).await;
    assert_eq!(
        (status, &refused["state"]),
        (502, &json!("refused")),
        "no provider is honest, an inbox is not"
    );
}
