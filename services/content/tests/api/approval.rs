use common_types::{
    Envelope,
    events::content::{ContentApproved, ContentRejected},
};
use serde_json::json;
use service_testing::published_events;

use crate::support::{Answer, Workshop, keys, number};

/// What was told of contents.
async fn decisions(shop: &Workshop) -> Vec<Envelope> {
    let mut events = published_events(&shop.service.stack.db).await;
    events.retain(|event| event.name.starts_with("content.content_"));
    events
}

#[tokio::test(flavor = "multi_thread")]
async fn c01_approving_makes_a_version_and_tells_the_platform() {
    let shop = Workshop::open().await;
    let draft = shop.in_review().await;
    let approved = shop
        .post(
            &shop.editor,
            &format!("/api/contents/{}/approve/", draft.content),
            json!({}),
        )
        .await
        .ok();
    assert_eq!(approved["status"], "approved");
    assert_eq!(
        (&approved["approved_by"], &approved["approved_by_name"]),
        (&json!(12), &json!("Person 12"))
    );
    assert!(approved["approved_at"].is_string());
    let versions = shop
        .get(
            &shop.viewer,
            &format!("/api/contents/{}/versions/", draft.content),
        )
        .await
        .ok();
    assert_eq!(versions.as_array().unwrap().len(), 1, "a bare list");
    assert_eq!(
        keys(&versions[0]),
        [
            "ai_job",
            "body_markdown",
            "content",
            "content_title",
            "created_at",
            "created_by",
            "created_by_name",
            "id",
            "metadata",
            "title",
            "version_number",
            "word_count"
        ]
    );
    assert_eq!(
        (
            &versions[0]["version_number"],
            &versions[0]["body_markdown"]
        ),
        (&json!(1), &json!("one two three"))
    );
    let legacy = shop
        .get(
            &shop.viewer,
            &format!("/api/versions/?content={}", draft.content),
        )
        .await
        .ok();
    assert_eq!(
        keys(&legacy["results"][0]),
        [
            "content",
            "content_snapshot",
            "content_title",
            "created_at",
            "created_by",
            "created_by_name",
            "id",
            "version_number"
        ]
    );
    assert_eq!(
        legacy["results"][0]["content_snapshot"]["status"],
        "approved"
    );
    let id = number(&legacy["results"][0]);
    shop.get(&shop.viewer, &format!("/api/versions/{id}/"))
        .await
        .ok();
    shop.get(&shop.viewer, &format!("/api/content-versions/{id}/"))
        .await
        .ok();
    shop.get(&shop.stranger, &format!("/api/versions/{id}/"))
        .await
        .is(404);
    let events = decisions(&shop).await;
    let event: ContentApproved = events[0].open().unwrap();
    assert_eq!(
        (event.content_number, event.version_number),
        (draft.content, 1)
    );
    assert_eq!(
        (event.author_id, event.approved_by),
        (shop.writer.id, shop.editor.id)
    );
    assert_eq!(events[0].organization_id, Some(shop.organization));
}

#[tokio::test(flavor = "multi_thread")]
async fn c01_approval_and_rejection_need_review() {
    let shop = Workshop::open().await;
    let draft = shop.draft().await;
    let (approve, reject) = (
        format!("/api/contents/{}/approve/", draft.content),
        format!("/api/contents/{}/reject/", draft.content),
    );
    let answer = shop.post(&shop.editor, &approve, json!({})).await;
    assert_eq!(answer.code.as_deref(), Some("content.not_in_review"));
    assert_eq!(
        answer.is(400)["error"],
        "Content must be in review status to approve"
    );
    let refused = shop
        .post(&shop.editor, &reject, json!({"reason": "r"}))
        .await
        .is(400);
    assert_eq!(
        refused["error"],
        "Content must be in review status to reject"
    );
    assert!(decisions(&shop).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn c01_approve_takes_any_body_or_none_and_only_once() {
    let shop = Workshop::open().await;
    let draft = shop.in_review().await;
    let approve = format!("/api/contents/{}/approve/", draft.content);
    let plain = shop
        .request(&shop.editor, reqwest::Method::POST, &approve)
        .body("anything");
    Answer::of(plain).await.ok();
    shop.post(&shop.editor, &approve, json!({})).await.is(400);
    let versions = shop
        .get(
            &shop.viewer,
            &format!("/api/contents/{}/versions/", draft.content),
        )
        .await
        .ok();
    assert_eq!(versions.as_array().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn c01_two_approvals_at_once_make_one_version() {
    let shop = Workshop::open().await;
    let draft = shop.in_review().await;
    let approve = format!("/api/contents/{}/approve/", draft.content);
    let (a, b) = tokio::join!(
        shop.post(&shop.editor, &approve, json!({})),
        shop.post(&shop.second_editor, &approve, json!({}))
    );
    let mut statuses = [a.status.as_u16(), b.status.as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 400]);
    assert_eq!(decisions(&shop).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn c01_rejection_needs_a_reason() {
    let shop = Workshop::open().await;
    let draft = shop.in_review().await;
    let path = format!("/api/contents/{}/reject/", draft.content);
    assert_eq!(
        shop.post(&shop.editor, &path, json!({})).await.is(400)["reason"],
        json!(["This field is required."])
    );
    assert_eq!(
        shop.post(&shop.editor, &path, json!({"reason": " "}))
            .await
            .is(400)["reason"],
        json!(["This field may not be blank."])
    );
    let rejected = shop
        .post(&shop.editor, &path, json!({"reason": "Quality issues"}))
        .await
        .ok();
    assert_eq!(
        (&rejected["status"], &rejected["rejection_reason"]),
        (&json!("rejected"), &json!("Quality issues"))
    );
    let event: ContentRejected = decisions(&shop).await[0].open().unwrap();
    assert_eq!(event.rejected_by, shop.editor.id);
}

#[tokio::test(flavor = "multi_thread")]
async fn c06_an_author_does_not_approve_while_somebody_else_could() {
    let shop = Workshop::open().await;
    let draft = shop.draft().await;
    let own = shop
        .post(
            &shop.editor,
            "/api/contents/",
            json!({"title": "Own", "project": draft.project, "body": "x", "status": "review"}),
        )
        .await
        .created();
    let path = format!("/api/contents/{}/approve/", number(&own));
    let refused = shop.post(&shop.editor, &path, json!({})).await;
    assert_eq!(refused.code.as_deref(), Some("content.self_approval"));
    refused.is(403);
    shop.execute("UPDATE members SET is_active = false WHERE content_role IN ('admin', 'editor')")
        .await;
    shop.execute(&format!(
        "UPDATE members SET is_active = true WHERE user_id = '{}'",
        shop.editor.id
    ))
    .await;
    shop.post(&shop.editor, &path, json!({})).await.ok();
}

#[tokio::test(flavor = "multi_thread")]
async fn c03_patch_moves_only_between_draft_and_review() {
    let shop = Workshop::open().await;
    let draft = shop.in_review().await;
    let path = format!("/api/contents/{}/", draft.content);
    for status in ["approved", "rejected", "in_progress"] {
        let refused = shop
            .patch(&shop.editor, &path, json!({"status": status}))
            .await
            .is(400);
        assert_eq!(
            refused["status"],
            json!([format!("\"{status}\" is not a valid choice.")])
        );
    }
    assert_eq!(
        shop.patch(&shop.editor, &path, json!({"status": "draft"}))
            .await
            .ok()["status"],
        "draft"
    );
    assert_eq!(
        shop.patch(&shop.editor, &path, json!({"status": "review"}))
            .await
            .ok()["status"],
        "review"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn c03_changing_an_approved_text_reopens_it_as_a_draft_of_the_next_version() {
    let shop = Workshop::open().await;
    let draft = shop.in_review().await;
    let path = format!("/api/contents/{}/", draft.content);
    let approve = format!("{path}approve/");
    shop.post(&shop.editor, &approve, json!({})).await.ok();
    shop.patch(&shop.editor, &path, json!({"status": "review"}))
        .await
        .is(400);
    let reopened = shop
        .patch(&shop.editor, &path, json!({"body": "four"}))
        .await
        .ok();
    assert_eq!(
        (
            &reopened["status"],
            &reopened["approved_by"],
            &reopened["approved_at"]
        ),
        (&json!("draft"), &json!(null), &json!(null))
    );
    shop.patch(&shop.editor, &path, json!({"status": "review"}))
        .await
        .ok();
    shop.post(&shop.editor, &approve, json!({})).await.ok();
    let versions = shop
        .get(&shop.viewer, &format!("{path}versions/"))
        .await
        .ok();
    let numbers: Vec<_> = versions
        .as_array()
        .unwrap()
        .iter()
        .map(|v| v["version_number"].as_i64().unwrap())
        .collect();
    assert_eq!(numbers, [2, 1]);
    assert_eq!(
        versions[1]["body_markdown"], "one two three",
        "the first version is unchanged"
    );
}
