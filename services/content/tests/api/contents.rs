use serde_json::json;

use crate::support::{Workshop, keys};

#[tokio::test(flavor = "multi_thread")]
async fn c03_a_content_has_the_contracts_shape() {
    let shop = Workshop::open().await;
    let draft = shop.draft().await;
    let made = shop
        .get(&shop.viewer, &format!("/api/contents/{}/", draft.content))
        .await
        .ok();
    assert_eq!(
        keys(&made),
        [
            "approved_at",
            "approved_by",
            "approved_by_name",
            "body",
            "created_at",
            "created_by",
            "created_by_name",
            "has_pii",
            "id",
            "metadata",
            "pii_warnings",
            "project",
            "project_name",
            "prompt",
            "prompt_title",
            "prompt_variables",
            "rejection_reason",
            "status",
            "title",
            "updated_at",
            "word_count"
        ]
    );
    assert_eq!(
        (&made["status"], &made["word_count"], &made["has_pii"]),
        (&json!("draft"), &json!(0), &json!(false))
    );
    assert_eq!(
        (
            &made["pii_warnings"],
            &made["metadata"],
            &made["approved_by"]
        ),
        (&json!([]), &json!({}), &json!(null))
    );
    assert_eq!(
        (&made["project"], &made["prompt"]),
        (&json!(draft.project), &json!(draft.prompt))
    );
    let list = shop
        .get(
            &shop.viewer,
            &format!(
                "/api/contents/?project={}&status=draft&has_pii=false",
                draft.project
            ),
        )
        .await
        .ok();
    assert_eq!(list["count"], 1);
    assert_eq!(
        keys(&list["results"][0]),
        [
            "created_at",
            "has_pii",
            "id",
            "project",
            "project_name",
            "status",
            "title",
            "updated_at",
            "word_count"
        ]
    );
    shop.get(&shop.viewer, "/api/contents/?status=lost")
        .await
        .is(400);
}

#[tokio::test(flavor = "multi_thread")]
async fn c03_missing_and_foreign_parts_are_named() {
    let shop = Workshop::open().await;
    let draft = shop.draft().await;
    let missing = shop
        .post(&shop.writer, "/api/contents/", json!({}))
        .await
        .is(400);
    assert_eq!(missing["title"], json!(["This field is required."]));
    assert_eq!(missing["project"], json!(["This field is required."]));
    let foreign = shop
        .post(
            &shop.stranger,
            "/api/contents/",
            json!({"title": "t", "project": draft.project}),
        )
        .await
        .is(400);
    assert_eq!(
        foreign["project"][0],
        format!("Invalid pk \"{}\" - object does not exist.", draft.project)
    );
    let unknown = shop
        .post(
            &shop.writer,
            "/api/contents/",
            json!({"title": "t", "project": draft.project, "prompt": 999}),
        )
        .await
        .is(400);
    assert_eq!(
        unknown["prompt"],
        json!(["Invalid pk \"999\" - object does not exist."])
    );
    let status = shop
        .post(
            &shop.writer,
            "/api/contents/",
            json!({"title": "t", "project": draft.project, "status": "approved"}),
        )
        .await
        .is(400);
    assert_eq!(
        status["status"],
        json!(["\"approved\" is not a valid choice."])
    );
    let long = shop
        .post(
            &shop.writer,
            "/api/contents/",
            json!({"title": "x".repeat(501), "project": draft.project}),
        )
        .await
        .is(400);
    assert_eq!(
        long["title"],
        json!(["Ensure this field has no more than 500 characters."])
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn c03_pii_is_found_in_a_text() {
    let shop = Workshop::open().await;
    let draft = shop.draft().await;
    let path = format!("/api/contents/{}/", draft.content);
    let changed = shop
        .patch(
            &shop.editor,
            &path,
            json!({"body": "تماس: ۰۹۱۲۳۴۵۶۷۸۹ یا a@b.ir"}),
        )
        .await
        .ok();
    assert_eq!(changed["has_pii"], true);
    assert_eq!(
        changed["pii_warnings"],
        json!({"phone": ["Found 1 phone number(s)"], "email": ["Found 1 email address(es)"]})
    );
    assert_eq!(changed["word_count"], 4);
    assert_eq!(
        shop.get(&shop.viewer, "/api/contents/?has_pii=true")
            .await
            .ok()["count"],
        1
    );
    assert_eq!(
        shop.patch(&shop.editor, &path, json!({"body": "clean"}))
            .await
            .ok()["pii_warnings"],
        json!([])
    );
}
