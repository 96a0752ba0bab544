//! The trail (test_audit_log of the replaced system, wire.md 8.1).

use diesel::sql_types::BigInt;
use diesel_async::RunQueryDsl;
use serde_json::json;

use crate::support::{Answer, Workshop, keys};

#[derive(diesel::QueryableByName)]
struct Count {
    #[diesel(sql_type = BigInt)]
    count: i64,
}

#[tokio::test(flavor = "multi_thread")]
async fn on_content_create() {
    let shop = Workshop::open().await;
    let draft = shop.draft().await;
    let logs = shop.get(&shop.admin, "/api/ai/audit-logs/").await.ok();
    assert_eq!(logs["count"], 1);
    let row = &logs["results"][0];
    assert_eq!(
        keys(row),
        [
            "action",
            "changes",
            "content",
            "content_title",
            "id",
            "ip_address",
            "new_status",
            "notes",
            "old_status",
            "timestamp",
            "user",
            "user_agent",
            "user_name"
        ]
    );
    assert_eq!(
        (&row["action"], &row["user"], &row["content"]),
        (&json!("created"), &json!(14), &json!(draft.content))
    );
    assert_eq!(
        (
            &row["old_status"],
            &row["new_status"],
            &row["content_title"]
        ),
        (&json!(null), &json!("draft"), &json!("Sleep"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn on_content_approve_and_reject_newest_first() {
    let shop = Workshop::open().await;
    let draft = shop.in_review().await;
    let path = format!("/api/contents/{}/", draft.content);
    shop.post(
        &shop.editor,
        &format!("{path}reject/"),
        json!({"reason": "Quality issues"}),
    )
    .await
    .ok();
    shop.patch(
        &shop.editor,
        &path,
        json!({"body": "better", "status": "review"}),
    )
    .await
    .ok();
    shop.post(&shop.editor, &format!("{path}approve/"), json!({}))
        .await
        .ok();
    let logs = shop
        .get(
            &shop.admin,
            &format!("/api/ai/audit-logs/?content={}", draft.content),
        )
        .await
        .ok();
    let rows: Vec<_> = logs["results"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| {
            (
                row["action"].as_str().unwrap(),
                row["old_status"].as_str(),
                row["new_status"].as_str(),
            )
        })
        .collect();
    assert_eq!(
        rows,
        [
            ("approved", Some("review"), Some("approved")),
            ("updated", Some("rejected"), Some("review")),
            ("rejected", Some("review"), Some("rejected")),
            ("status_changed", Some("draft"), Some("review")),
            ("updated", Some("draft"), Some("draft")),
            ("created", None, Some("draft")),
        ]
    );
    assert!(
        logs["results"][2]["notes"]
            .as_str()
            .unwrap()
            .contains("Quality issues")
    );
    assert!(
        !logs.to_string().contains("better"),
        "texts stay out of the trail"
    );
    assert_eq!(
        shop.get(&shop.admin, "/api/ai/audit-logs/?action=approved")
            .await
            .ok()["count"],
        1
    );
    assert_eq!(
        shop.get(&shop.admin, "/api/ai/audit-logs/?user=12")
            .await
            .ok()["count"],
        4
    );
    assert_eq!(
        shop.get(&shop.stranger, "/api/ai/audit-logs/").await.ok()["count"],
        0
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn includes_metadata() {
    let shop = Workshop::open().await;
    let draft = shop.draft().await;
    let request = shop
        .request(
            &shop.editor,
            reqwest::Method::PATCH,
            &format!("/api/contents/{}/", draft.content),
        )
        .header("user-agent", "TestClient/1.0")
        .json(&json!({"title": "New"}));
    Answer::of(request).await.ok();
    let row = shop.get(&shop.admin, "/api/ai/audit-logs/").await.ok()["results"][0].clone();
    assert_eq!(
        (&row["user_agent"], &row["ip_address"]),
        (&json!("TestClient/1.0"), &json!("127.0.0.1"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_trail_outlives_its_content_and_cannot_be_changed() {
    let shop = Workshop::open().await;
    let draft = shop.draft().await;
    shop.delete(&shop.editor, &format!("/api/contents/{}/", draft.content))
        .await
        .is(204);
    let logs = shop.get(&shop.admin, "/api/ai/audit-logs/").await.ok();
    assert_eq!(
        (
            &logs["results"][0]["action"],
            &logs["results"][0]["content"]
        ),
        (&json!("deleted"), &json!(null))
    );
    let mut conn = shop.service.stack.db.get().await.unwrap();
    for sql in [
        "UPDATE content_audit_logs SET notes = 'x'",
        "DELETE FROM content_audit_logs",
        "DELETE FROM usage_logs",
    ] {
        assert!(
            diesel::sql_query(sql).execute(&mut conn).await.is_err(),
            "{sql}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_staff_action_is_in_the_platforms_audit() {
    let shop = Workshop::open().await;
    let draft = shop.in_review().await;
    shop.post(
        &shop.editor,
        &format!("/api/contents/{}/approve/", draft.content),
        json!({}),
    )
    .await
    .ok();
    let mut conn = shop.service.stack.db.get().await.unwrap();
    for action in [
        "project.created",
        "prompt.created",
        "content.created",
        "content.updated",
        "content.status_changed",
        "content.approved",
    ] {
        let sql = format!(
            "SELECT count(*) AS count FROM audit_entries WHERE action = '{action}' AND organization_id = '{}'",
            shop.organization
        );
        let found: Count = diesel::sql_query(sql).get_result(&mut conn).await.unwrap();
        assert_eq!(found.count, 1, "{action}");
    }
}
