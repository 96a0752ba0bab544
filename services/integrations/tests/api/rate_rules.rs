//! Rules for how often something may be called.

use common_types::ClinicRole;
use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    ai_support::{AiWorld, KEY, question},
    support::{World, answer},
};

const REFUSED: &str = "تعداد درخواست‌ها بیش از حد مجاز است";

pub(crate) async fn call(
    world: &World,
    method: Method,
    token: &str,
    path: &str,
    body: &Value,
) -> (u16, Value) {
    let path = format!("/api/integrations/rate-limits/{path}");
    answer(
        world
            .service
            .request(method, &path)
            .bearer_auth(token)
            .json(body),
    )
    .await
}

pub(crate) fn rule(pattern: &str, max: i64, window: i64, scope: &str) -> Value {
    json!({"name": "SMS Rate Limit", "endpoint_pattern": pattern, "max_requests": max,
        "time_window_seconds": window, "scope": scope})
}

pub(crate) async fn add(world: &World, token: &str, rule: &Value) -> String {
    let (status, made) = call(world, Method::POST, token, "", rule).await;
    assert_eq!(status, 201, "{made}");
    made["id"].as_str().unwrap().to_owned()
}

async fn logs_of(world: &World, token: &str) -> u16 {
    answer(
        world
            .service
            .get("/api/integrations/logs/")
            .bearer_auth(token),
    )
    .await
    .0
}

#[tokio::test]
async fn i22_rules_have_defaults_a_text_and_refusals() {
    let world = World::start().await;
    let superuser = world.superuser();
    let (_, providers) = answer(
        world
            .service
            .get("/api/integrations/providers/")
            .bearer_auth(&superuser),
    )
    .await;
    let provider = providers["results"][0].clone();
    let mut body = rule("send_*", 100, 3_600, "user");
    body["provider"] = provider["id"].clone();
    body.as_object_mut().unwrap().remove("scope");
    let (status, made) = call(&world, Method::POST, &superuser, "", &body).await;
    assert_eq!(status, 201, "{made}");
    for key in [
        "id",
        "provider",
        "provider_name",
        "name",
        "endpoint_pattern",
        "max_requests",
        "time_window_seconds",
        "scope",
        "is_active",
        "rate_description",
        "created_at",
        "updated_at",
    ] {
        assert!(made.get(key).is_some(), "{key}");
    }
    assert_eq!(
        (&made["is_active"], &made["scope"]),
        (&json!(true), &json!("user"))
    );
    assert_eq!(made["rate_description"], "100 درخواست در 3600 ثانیه");
    let name = provider["name"].as_str().unwrap();
    assert_eq!(
        made["display"],
        format!("{name} - SMS Rate Limit (100/3600s)")
    );
    for (field, value, words) in [
        (
            "max_requests",
            json!(0),
            "حداکثر درخواست باید بزرگتر از صفر باشد.",
        ),
        (
            "time_window_seconds",
            json!(-1),
            "بازه زمانی باید بزرگتر از صفر باشد.",
        ),
    ] {
        let mut wrong = body.clone();
        wrong[field] = value;
        let (status, refused) = call(&world, Method::POST, &superuser, "", &wrong).await;
        assert_eq!(
            (status, &refused["non_field_errors"]),
            (400, &json!([words]))
        );
    }
    for (field, value) in [
        ("scope", json!("magic")),
        ("name", json!("")),
        ("provider", json!(Uuid::now_v7())),
    ] {
        let mut wrong = body.clone();
        wrong[field] = value;
        let (status, refused) = call(&world, Method::POST, &superuser, "", &wrong).await;
        assert!(
            status == 400 && refused[field].is_array(),
            "{field}: {refused}"
        );
    }
    let id = made["id"].as_str().unwrap();
    let (status, changed) = call(
        &world,
        Method::PATCH,
        &superuser,
        &format!("{id}/"),
        &json!({"is_active": false}),
    )
    .await;
    assert_eq!(
        (status, &changed["is_active"], &changed["max_requests"]),
        (200, &json!(false), &json!(100))
    );
    let slug = provider["slug"].as_str().unwrap();
    for (query, count) in [
        (format!("?provider={slug}"), 1),
        ("?provider=nobody".to_owned(), 0),
        ("?active_only=true".to_owned(), 0),
        ("?search=sms".to_owned(), 1),
    ] {
        let (_, list) = call(&world, Method::GET, &superuser, &query, &json!({})).await;
        assert_eq!(list["count"], count, "{query}");
    }
    let secretary = world.staff(ClinicRole::Secretary);
    assert_eq!(
        call(&world, Method::GET, &secretary, "", &json!({}))
            .await
            .0,
        403
    );
    assert_eq!(
        call(
            &world,
            Method::GET,
            &world.admin(),
            &format!("{id}/"),
            &json!({})
        )
        .await
        .0,
        404
    );
    assert_eq!(
        call(
            &world,
            Method::DELETE,
            &superuser,
            &format!("{id}/"),
            &json!({})
        )
        .await
        .0,
        204
    );
    assert_eq!(
        call(
            &world,
            Method::GET,
            &superuser,
            &format!("{id}/"),
            &json!({})
        )
        .await
        .0,
        404
    );
}

#[tokio::test]
async fn i22_a_refusal_has_the_old_body_and_says_when_to_come_back() {
    let world = World::start().await;
    let (admin, other) = (world.admin(), world.admin());
    let id = add(&world, &admin, &rule("/api/integrations/*/", 2, 60, "user")).await;
    let allowed = world
        .service
        .get("/api/integrations/logs/")
        .bearer_auth(&other)
        .send()
        .await
        .unwrap();
    assert_eq!(
        allowed.headers()["ratelimit-policy"],
        "\"default\";q=2;w=60"
    );
    for _ in 0..2 {
        logs_of(&world, &other).await;
    }
    let sent = world
        .service
        .get("/api/integrations/logs/")
        .bearer_auth(&other)
        .send()
        .await
        .unwrap();
    assert_eq!(sent.status(), 429);
    let wait: u64 = sent.headers()["retry-after"]
        .to_str()
        .unwrap()
        .parse()
        .unwrap();
    assert!((1..=60).contains(&wait));
    assert_eq!(
        sent.json::<Value>().await.unwrap(),
        json!({"success": false, "error": REFUSED})
    );
    // The rule over everything binds its author too, but a superuser may lift it: that is nobody of this organisation.
    let superuser = world.token(|claims| {
        claims.superuser = true;
        claims.org = None;
    });
    let lifted = json!({"is_active": false});
    assert_eq!(
        call(
            &world,
            Method::PATCH,
            &superuser,
            &format!("{id}/"),
            &lifted
        )
        .await
        .0,
        200
    );
    assert_eq!(
        logs_of(&world, &other).await,
        200,
        "a change counts at once"
    );
    let (_, logs) = answer(
        world
            .service
            .get("/api/integrations/logs/?action=rate_limited")
            .bearer_auth(&admin),
    )
    .await;
    assert_eq!(
        logs["count"], 1,
        "refusals are logged, but no flood of them"
    );
}

#[tokio::test]
async fn i22_scopes_count_users_organisations_addresses_and_all() {
    for (scope, same_user, same_organization, elsewhere) in [
        ("user", 429, 200, 200),
        ("organization", 429, 429, 200),
        ("ip", 429, 429, 429),
        ("global", 429, 429, 429),
    ] {
        let world = World::start().await;
        let superuser = world.token(|claims| {
            claims.superuser = true;
            claims.org = None;
        });
        add(
            &world,
            &superuser,
            &rule("/api/integrations/logs/statistics/", 1, 3_600, scope),
        )
        .await;
        let admin = world.admin();
        let colleague = world.admin();
        let foreign = world.token(|claims| {
            claims.org = Some(Uuid::now_v7());
            claims.clinic_role = Some(ClinicRole::Admin);
        });
        let get = async |token: &str| {
            answer(
                world
                    .service
                    .get("/api/integrations/logs/statistics/")
                    .bearer_auth(token),
            )
            .await
            .0
        };
        assert_eq!(get(&admin).await, 200);
        assert_eq!(get(&admin).await, same_user, "{scope}");
        assert_eq!(get(&colleague).await, same_organization, "{scope}");
        assert_eq!(get(&foreign).await, elsewhere, "{scope}");
    }
}

#[tokio::test]
async fn i22_a_rule_of_an_action_binds_whoever_calls() {
    let ai = AiWorld::with(&["openai"], Vec::new()).await;
    let world = &ai.world;
    let admin = world.admin();
    add(
        world,
        &admin,
        &rule("text_generation", 5, 3_600, "organization"),
    )
    .await;
    let calls = (0..20).map(|n| {
        let ai = &ai;
        async move {
            if n % 2 == 0 {
                answer(ai.chat(KEY, &question("gpt-4", "x"))).await.0
            } else {
                let body = crate::ai::request(&ai.world, &format!("k{n}"), None);
                crate::ai::generate(&ai.world, &body).await.0
            }
        }
    });
    let statuses = join_all(calls).await;
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 5);
    assert_eq!(statuses.iter().filter(|status| **status == 429).count(), 15);
    let (status, refused) = answer(ai.chat(KEY, &question("gpt-4", "x"))).await;
    assert_eq!(
        (status, &refused["error"]["code"]),
        (429, &json!("rate_limit_exceeded"))
    );
    let doctor = world.staff(ClinicRole::Doctor);
    let generate = world
        .service
        .post("/api/integrations/ai/generate/")
        .bearer_auth(doctor)
        .json(&json!({"prompt": "x"}));
    let (status, refused) = answer(generate).await;
    assert_eq!(
        (status, refused),
        (429, json!({"success": false, "error": REFUSED}))
    );
    let elsewhere = json!({"purpose": "p", "prompt": "x", "max_tokens": 10, "temperature": 0.7, "user_id": null,
        "organization_id": Uuid::now_v7(), "reservation_key": "k"});
    assert_eq!(
        crate::ai::generate(world, &elsewhere).await.0,
        200,
        "another organisation is not bound"
    );
}

#[tokio::test]
async fn i22_a_rule_of_texts_counts_each_person() {
    let world = World::start().await;
    let admin = world.admin();
    add(&world, &admin, &rule("send_*", 2, 3_600, "user")).await;
    let secretary = world.staff(ClinicRole::Secretary);
    let send = async |token: &str| {
        let body = json!({"receptor": "09123456789", "message_type": "otp", "token": "4821"});
        let path = "/api/integrations/sms/send/";
        answer(world.service.post(path).bearer_auth(token).json(&body)).await
    };
    assert_eq!(send(&secretary).await.0, 200);
    assert_eq!(send(&secretary).await.0, 200);
    let (status, refused) = send(&secretary).await;
    assert_eq!(
        (status, refused),
        (429, json!({"success": false, "error": REFUSED}))
    );
    assert_eq!(
        send(&world.staff(ClinicRole::Doctor)).await.0,
        200,
        "another person is counted apart"
    );
}
