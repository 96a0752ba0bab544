//! The log of calls: what is in it, who sees it, how long it stays.

use chrono::{DateTime, TimeDelta, Utc};
use common_types::ClinicRole;
use diesel_async::RunQueryDsl;
use provider_simulators::openai::AiBehaviour;
use serde_json::{Value, json};
use service_testing::eventually;
use uuid::Uuid;

use crate::{
    ai_support::{AiWorld, KEY, question},
    support::{SOON, World, answer},
};

#[derive(diesel::QueryableByName)]
struct Named {
    #[diesel(sql_type = diesel::sql_types::Text)]
    name: String,
}

async fn names(world: &World, sql: &str) -> Vec<String> {
    let mut conn = world.service.database.db.get().await.unwrap();
    let rows: Vec<Named> = diesel::sql_query(sql).load(&mut conn).await.unwrap();
    rows.into_iter().map(|row| row.name).collect()
}

async fn partitions(world: &World) -> Vec<String> {
    let sql = "SELECT c.relname::text AS name FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid \
               WHERE i.inhparent = 'integration_logs'::regclass ORDER BY 1";
    names(world, sql).await
}

/// Where the rows lie.
async fn homes(world: &World) -> Vec<String> {
    names(
        world,
        "SELECT tableoid::regclass::text AS name FROM integration_logs ORDER BY created_at, id",
    )
    .await
}

async fn plant(world: &World, at: DateTime<Utc>, level: &str, action: &str, organization: Uuid) {
    let sql = format!(
        "INSERT INTO integration_logs (id, organization_id, log_level, service_name, action, error_message, duration_ms, \
         cost_amount, cost_currency, created_at) VALUES (gen_random_uuid(), '{organization}', '{level}', 'ai', '{action}', \
         'provider.500', 120, 7, 'USD_MICROS', '{}')",
        at.to_rfc3339()
    );
    let mut conn = world.service.database.db.get().await.unwrap();
    diesel::sql_query(sql).execute(&mut conn).await.unwrap();
}

async fn list(world: &World, token: &str, query: &str) -> (u16, Value) {
    let path = format!("/api/integrations/logs/{query}");
    answer(world.service.get(&path).bearer_auth(token)).await
}

fn day(at: DateTime<Utc>) -> String {
    format!("integration_logs_{}", at.format("%Y%m%d"))
}

#[tokio::test]
async fn i08_the_log_lies_in_days_that_are_made_ahead_and_dropped_after_30() {
    let mut world = World::start().await;
    let now = Utc::now();
    plant(&world, now, "info", "today", world.organization).await;
    assert_eq!(homes(&world).await, [day(now)]);
    // A worker was away for long: nothing is lost, and the rows move home when their day is made.
    let later = now + TimeDelta::days(20);
    plant(&world, later, "info", "later", world.organization).await;
    assert_eq!(
        homes(&world).await,
        [day(now), "integration_logs_other".to_owned()]
    );
    world.service.clock.advance(TimeDelta::days(20));
    world.service.start_worker();
    eventually(SOON, async || homes(&world).await == [day(now), day(later)]).await;
    let days = partitions(&world).await;
    assert!(days.contains(&day(later + TimeDelta::days(3))), "{days:?}");
    assert!(days.contains(&day(now)), "not yet 30 days old");
    let service = world.service;
    // A second process, eleven days later still.
    service.clock.advance(TimeDelta::days(11));
    let mut world = World { service, ..world };
    world.service.start_worker();
    eventually(SOON, async || homes(&world).await == [day(later)]).await;
    assert!(!partitions(&world).await.contains(&day(now)));
    // The service itself may drop nothing.
    let mut conn = world.service.database.db.get().await.unwrap();
    let refused = diesel::sql_query(format!("DROP TABLE {}", day(later)))
        .execute(&mut conn)
        .await;
    assert!(refused.unwrap_err().to_string().contains("must be owner"));
}

#[tokio::test]
async fn i08_every_call_leaves_provider_action_duration_status_and_cost() {
    let ai = AiWorld::with(&["openai"], Vec::new()).await;
    assert_eq!(
        answer(ai.chat(KEY, &question("gpt-4", "a canary"))).await.0,
        200
    );
    ai.openai(AiBehaviour {
        fail_with: Some(400),
        ..AiBehaviour::default()
    });
    assert_eq!(answer(ai.chat(KEY, &question("gpt-4", "b"))).await.0, 400);
    let admin = ai.world.admin();
    let (status, logs) = list(&ai.world, &admin, "?provider=openai&action=text_gen").await;
    assert_eq!((status, &logs["count"]), (200, &json!(2)), "{logs}");
    let (failed, made) = (&logs["results"][0], &logs["results"][1]);
    for key in [
        "id",
        "provider",
        "provider_name",
        "log_level",
        "service_name",
        "action",
        "request_data",
        "response_data",
        "error_message",
        "status_code",
        "duration_ms",
        "user",
        "user_name",
        "ip_address",
        "created_at",
    ] {
        assert!(made.get(key).is_some(), "{key}");
    }
    assert_eq!(
        (
            &made["provider_name"],
            &made["log_level"],
            &made["action"],
            &made["status_code"],
            &made["endpoint"]
        ),
        (
            &json!("OpenAI"),
            &json!("info"),
            &json!("text_generation"),
            &json!(200),
            &json!("/v1/chat/completions")
        )
    );
    assert!(made["duration_ms"].is_i64() && made["cost_amount"].as_i64().unwrap() > 0);
    assert_eq!(made["cost_currency"], "USD_MICROS");
    assert!(made["ip_address"].is_string());
    assert_eq!(
        (&failed["log_level"], &failed["status_code"]),
        (&json!("error"), &json!(400))
    );
    assert!(!logs.to_string().contains("canary"));
    let id = made["id"].as_str().unwrap();
    assert_eq!(
        list(&ai.world, &admin, &format!("{id}/")).await.1["id"],
        made["id"]
    );
    let (_, statistics) = list(&ai.world, &admin, "statistics/?days=1").await;
    let row = &statistics["results"][0];
    assert_eq!(
        (
            &row["provider"],
            &row["calls"],
            &row["errors"],
            &row["error_rate"],
            &row["top_error"]
        ),
        (
            &json!("openai"),
            &json!(2),
            &json!(1),
            &json!(0.5),
            &json!("provider.400")
        ),
        "{statistics}"
    );
}

#[tokio::test]
async fn i08_logs_are_filtered_searched_and_sorted_for_admins_alone() {
    let world = World::start().await;
    let now = Utc::now();
    let other = Uuid::now_v7();
    for (level, action, organization, days) in [
        ("debug", "send_otp", world.organization, 0),
        ("info", "send_pattern", world.organization, 2),
        ("warning", "send_100%", world.organization, 3),
        ("error", "text_generation", world.organization, 4),
        ("critical", "health_check", other, 0),
    ] {
        plant(
            &world,
            now - TimeDelta::days(days),
            level,
            action,
            organization,
        )
        .await;
    }
    let admin = world.admin();
    let count = async |query: &str| list(&world, &admin, query).await.1["count"].as_i64();
    assert_eq!(
        count("").await,
        Some(4),
        "another organisation's rows are not shown"
    );
    assert_eq!(count("?level=error").await, Some(1));
    assert_eq!(count("?action=send_").await, Some(3));
    assert_eq!(count("?days=1").await, Some(1));
    assert_eq!(count("?search=100%25").await, Some(1));
    assert_eq!(count("?search=provider.500").await, Some(4));
    assert_eq!(count("?service=ai&status_code=200").await, Some(0));
    let (_, oldest) = list(&world, &admin, "?ordering=created_at&page_size=1").await;
    assert_eq!(oldest["results"][0]["action"], "text_generation");
    assert_eq!(list(&world, &admin, "?ordering=magic").await.0, 400);
    let (_, all) = list(&world, &world.superuser(), "").await;
    assert_eq!(all["count"], 5);
    let foreign = all["results"]
        .as_array()
        .unwrap()
        .iter()
        .find(|row| row["action"] == "health_check")
        .unwrap()["id"]
        .as_str()
        .unwrap();
    assert_eq!(list(&world, &admin, &format!("{foreign}/")).await.0, 404);
    for path in ["", "statistics/"] {
        assert_eq!(
            list(&world, &world.staff(ClinicRole::Secretary), path)
                .await
                .0,
            403
        );
    }
}
