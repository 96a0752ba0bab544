use std::time::Duration;

use common_types::events::{
    content::{LimitScope, UsageLimitChanged},
    integrations::AiUsageRecorded,
};
use serde_json::json;
use service_events::outbox;
use service_testing::{eventually, published_events, unsettled_events};
use uuid::Uuid;

use crate::support::{ORGANIZATION, Person, WORKSPACE, Workshop, keys, number};

fn usage(shop: &Workshop, person: &Person, cost_micros: i64) -> AiUsageRecorded {
    AiUsageRecorded {
        usage_id: Uuid::now_v7(),
        aggregate_version: 1,
        organization_id: shop.organization,
        workspace_id: Some(shop.workspace),
        user_id: Some(person.id),
        content_id: None,
        reservation_key: "chat:1".into(),
        purpose: "content_generation".into(),
        provider: "builtin".into(),
        model: "extractive-1".into(),
        prompt_tokens: 100,
        completion_tokens: 200,
        total_tokens: 300,
        cost_micros,
        duration_ms: 1234,
        success: true,
        error_code: None,
        recorded_at: shop.service.stack.clock.now(),
    }
}

/// Emits the events as integrations would and waits until they are applied.
async fn record(shop: &mut Workshop, events: Vec<AiUsageRecorded>) {
    shop.service.start_worker();
    let mut conn = shop.service.stack.db.get().await.unwrap();
    for event in &events {
        outbox::emit(&mut conn, "integrations", event, event.recorded_at)
            .await
            .unwrap();
    }
    drop(conn);
    shop.service.stack.outbox.wake();
    let wanted: std::collections::BTreeSet<Uuid> =
        events.iter().map(|event| event.usage_id).collect();
    eventually(Duration::from_secs(20), async || {
        let logs = shop.get(&shop.admin, "/api/ai/usage-logs/").await.ok();
        logs["count"] == wanted.len() && unsettled_events(&shop.service.stack.db).await == (0, 0)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn c04_usage_is_counted_once_and_summed() {
    let mut shop = Workshop::open().await;
    let first = usage(&shop, &shop.writer.clone(), 1_500);
    let second = usage(&shop, &shop.editor.clone(), 2_500);
    record(&mut shop, vec![first.clone(), first, second]).await;
    let logs = shop
        .get(&shop.editor, "/api/ai/usage-logs/?ordering=-estimated_cost")
        .await
        .ok();
    let row = &logs["results"][1];
    assert_eq!(
        keys(row),
        [
            "ai_job",
            "completion_tokens",
            "content",
            "content_title",
            "error_message",
            "estimated_cost",
            "id",
            "model",
            "organization",
            "prompt_tokens",
            "request_duration",
            "success",
            "timestamp",
            "total_tokens",
            "user",
            "user_name",
            "workspace"
        ]
    );
    assert_eq!(
        (&row["estimated_cost"], &row["request_duration"]),
        (&json!("0.001500"), &json!("1.234"))
    );
    assert_eq!(
        (&row["user"], &row["workspace"], &row["organization"]),
        (&json!(14), &json!(WORKSPACE), &json!(ORGANIZATION))
    );
    let summary = shop.get(&shop.viewer, "/api/ai/usage/summary/").await.ok();
    assert_eq!(
        keys(&summary),
        ["end_date", "period", "start_date", "summary"]
    );
    assert_eq!(
        keys(&summary["summary"]),
        [
            "model_breakdown",
            "total_completion_tokens",
            "total_cost",
            "total_prompt_tokens",
            "total_requests",
            "total_tokens"
        ]
    );
    assert_eq!(
        (&summary["period"], &summary["summary"]["total_requests"]),
        (&json!("monthly"), &json!(2))
    );
    assert_eq!(
        (
            &summary["summary"]["total_tokens"],
            &summary["summary"]["total_cost"]
        ),
        (&json!(600), &json!(0.004))
    );
    assert_eq!(
        summary["summary"]["model_breakdown"]["extractive-1"],
        json!({"requests": 2, "tokens": 600, "cost": 0.004})
    );
    let by_user = shop
        .get(&shop.admin, "/api/ai/usage/summary/?user_id=14&period=all")
        .await
        .ok();
    assert_eq!(
        (
            &by_user["summary"]["total_requests"],
            &by_user["start_date"]
        ),
        (&json!(1), &json!(null))
    );
    let elsewhere = shop
        .get(&shop.stranger, "/api/ai/usage/summary/")
        .await
        .ok();
    assert_eq!(elsewhere["summary"]["total_requests"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn c04_others_usage_is_for_editors_and_foreign_scopes_are_not_found() {
    let mut shop = Workshop::open().await;
    let events = vec![
        usage(&shop, &shop.writer.clone(), 1),
        usage(&shop, &shop.editor.clone(), 1),
    ];
    record(&mut shop, events).await;
    assert_eq!(
        shop.get(&shop.writer, "/api/ai/usage-logs/").await.ok()["count"],
        1
    );
    assert_eq!(
        shop.get(&shop.viewer, "/api/ai/usage-logs/").await.ok()["count"],
        0
    );
    shop.get(&shop.writer, "/api/ai/usage-logs/?user=12")
        .await
        .is(400);
    for (query, error) in [
        ("workspace_id=6", "Workspace not found"),
        ("workspace_id=x", "Workspace not found"),
        ("user_id=19", "User not found"),
        ("organization_id=4", "Organization not found"),
    ] {
        let refused = shop
            .get(&shop.admin, &format!("/api/ai/usage/summary/?{query}"))
            .await
            .is(404);
        assert_eq!(refused["error"], error, "{query}");
    }
    shop.get(&shop.writer, "/api/ai/usage/summary/?user_id=12")
        .await
        .is(404);
    shop.get(&shop.writer, "/api/ai/usage/summary/?user_id=14")
        .await
        .ok();
    shop.get(
        &shop.admin,
        &format!("/api/ai/usage/summary/?organization_id={ORGANIZATION}&workspace_id={WORKSPACE}"),
    )
    .await
    .ok();
    shop.get(&shop.admin, "/api/ai/usage/summary/?period=hourly")
        .await
        .is(400);
}

#[tokio::test(flavor = "multi_thread")]
async fn c04_limits_are_set_told_and_removed() {
    let shop = Workshop::open().await;
    let body = json!({"scope": "workspace", "scope_id": WORKSPACE, "cost_limit": "1.00", "requests_limit": 5});
    let made = shop
        .post(&shop.admin, "/api/ai/usage-limits/", body.clone())
        .await
        .created();
    assert_eq!(
        keys(&made),
        [
            "cost_limit",
            "created_at",
            "id",
            "period",
            "requests_limit",
            "scope",
            "scope_id",
            "tokens_limit",
            "updated_at"
        ]
    );
    assert_eq!(
        (&made["cost_limit"], &made["period"], &made["scope_id"]),
        (&json!("1.00"), &json!("monthly"), &json!(WORKSPACE))
    );
    let twice = shop
        .post(&shop.admin, "/api/ai/usage-limits/", body)
        .await
        .is(400);
    assert_eq!(
        twice["non_field_errors"],
        json!(["The fields scope, scope_id must make a unique set."])
    );
    let path = format!("/api/ai/usage-limits/{}/", number(&made));
    let changed = shop
        .patch(
            &shop.admin,
            &path,
            json!({"cost_limit": null, "tokens_limit": 10, "period": "daily"}),
        )
        .await
        .ok();
    assert_eq!(
        (
            &changed["cost_limit"],
            &changed["requests_limit"],
            &changed["period"]
        ),
        (&json!(null), &json!(5), &json!("daily"))
    );
    shop.patch(&shop.admin, &path, json!({"scope_id": 99}))
        .await
        .is(400);
    shop.get(&shop.stranger, &path).await.is(404);
    shop.delete(&shop.stranger, &path).await.is(404);
    assert_eq!(
        shop.get(
            &shop.viewer,
            "/api/ai/usage-limits/?scope=workspace&period=daily"
        )
        .await
        .ok()["count"],
        1
    );
    shop.delete(&shop.admin, &path).await.is(204);
    let events: Vec<UsageLimitChanged> = published_events(&shop.service.stack.db)
        .await
        .iter()
        .map(|envelope| envelope.open().unwrap())
        .collect();
    let told: Vec<_> = events
        .iter()
        .map(|event| {
            (
                event.aggregate_version,
                event.is_deleted,
                event.cost_limit_micros,
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            (1, false, Some(1_000_000)),
            (2, false, None),
            (3, true, None)
        ]
    );
    assert_eq!(
        (events[0].scope, events[0].scope_id),
        (LimitScope::Workspace, shop.workspace)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn c04_a_limit_names_something_of_the_organisation() {
    let shop = Workshop::open().await;
    for (scope, id, status) in [
        ("workspace", 6, 400),
        ("user", 19, 400),
        ("organization", 4, 400),
        ("user", 14, 201),
        ("organization", ORGANIZATION, 201),
        ("galaxy", 1, 400),
    ] {
        let answer = shop
            .post(
                &shop.admin,
                "/api/ai/usage-limits/",
                json!({"scope": scope, "scope_id": id}),
            )
            .await;
        assert_eq!(
            answer.status.as_u16(),
            status,
            "{scope} {id}: {}",
            answer.body
        );
    }
    let bad = json!({"scope": "user", "scope_id": 12, "cost_limit": "1.005", "requests_limit": -1});
    let refused = shop
        .post(&shop.admin, "/api/ai/usage-limits/", bad)
        .await
        .is(400);
    assert_eq!(
        refused["cost_limit"],
        json!(["A valid number is required."])
    );
    assert!(refused["requests_limit"].is_array());
}

/// test_budget_enforcement of the replaced system (wire.md 8.1).
#[tokio::test(flavor = "multi_thread")]
async fn exceeded_returns_402() {
    let mut shop = Workshop::open().await;
    let draft = shop.draft().await;
    let path = format!("/api/contents/{}/generate/", draft.content);
    let limit = json!({"scope": "workspace", "scope_id": WORKSPACE, "cost_limit": "1.00"});
    shop.post(&shop.admin, "/api/ai/usage-limits/", limit)
        .await
        .created();
    let events = vec![usage(&shop, &shop.writer.clone(), 1_500_000)];
    record(&mut shop, events).await;
    let refused = shop
        .post(&shop.writer, &path, json!({"kind": "draft"}))
        .await
        .is(402);
    assert_eq!(refused["error"], "Usage limit exceeded");
    assert_eq!(refused["detail"], "Monthly budget exceeded: $1.50/$1.00");
    assert_eq!(
        shop.get(&shop.viewer, &format!("/api/contents/{}/", draft.content))
            .await
            .ok()["status"],
        "draft"
    );
    let limits = shop.get(&shop.admin, "/api/ai/usage-limits/").await.ok();
    let limit = format!("/api/ai/usage-limits/{}/", number(&limits["results"][0]));
    shop.patch(&shop.admin, &limit, json!({"cost_limit": "100"}))
        .await
        .ok();
    shop.post(&shop.writer, &path, json!({"kind": "draft"}))
        .await
        .is(202);
}

#[tokio::test(flavor = "multi_thread")]
async fn user_and_default_budget_bind_too() {
    let mut shop = Workshop::open().await;
    let draft = shop.draft().await;
    let path = format!("/api/contents/{}/generate/", draft.content);
    let events = vec![usage(&shop, &shop.editor.clone(), 15_000_000)];
    record(&mut shop, events).await;
    let refused = shop
        .post(&shop.writer, &path, json!({"kind": "draft"}))
        .await
        .is(402);
    let detail = refused["detail"].as_str().unwrap();
    assert!(
        detail.starts_with("Monthly budget exceeded: $15.00/$10.00")
            && detail.ends_with("wait until next month."),
        "{detail}"
    );
    for limit in [
        json!({"scope": "workspace", "scope_id": WORKSPACE, "cost_limit": "100"}),
        json!({"scope": "user", "scope_id": 12, "requests_limit": 1, "period": "daily"}),
    ] {
        shop.post(&shop.admin, "/api/ai/usage-limits/", limit)
            .await
            .created();
    }
    let by_editor = shop
        .post(&shop.editor, &path, json!({"kind": "draft"}))
        .await
        .is(402);
    assert_eq!(by_editor["detail"], "Request limit exceeded: 1/1");
    shop.post(&shop.writer, &path, json!({"kind": "draft"}))
        .await
        .is(202);
}
