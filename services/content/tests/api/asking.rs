//! What `generate/` refuses.

use serde_json::json;

use crate::support::Workshop;

#[tokio::test(flavor = "multi_thread")]
async fn c01_generate_says_what_is_wrong() {
    let shop = Workshop::open().await;
    let draft = shop.draft().await;
    let path = format!("/api/contents/{}/", draft.content);
    let generate = format!("{path}generate/");
    assert_eq!(
        shop.post(&shop.writer, &generate, json!({})).await.is(400)["kind"],
        json!(["This field is required."])
    );
    let bad = shop
        .post(
            &shop.writer,
            &generate,
            json!({"kind": "poem", "min_words": 5, "tone": "x".repeat(101)}),
        )
        .await
        .is(400);
    assert_eq!(bad["kind"], json!(["\"poem\" is not a valid choice."]));
    assert_eq!(
        bad["min_words"],
        json!(["Ensure this value is greater than or equal to 100."])
    );
    assert_eq!(
        bad["tone"],
        json!(["Ensure this field has no more than 100 characters."])
    );
    shop.patch(&shop.editor, &path, json!({"prompt_variables": {}}))
        .await
        .ok();
    let missing = shop
        .post(&shop.writer, &generate, json!({"kind": "draft"}))
        .await
        .is(400);
    assert_eq!(
        missing["prompt_variables"],
        json!(["Missing value for {topic}."])
    );
    assert_eq!(shop.get(&shop.viewer, &path).await.ok()["status"], "draft");
}

#[tokio::test(flavor = "multi_thread")]
async fn c01_ten_generations_a_minute() {
    let shop = Workshop::open_with(|setup| setup.set("generation.per_minute", 2)).await;
    let draft = shop.draft().await;
    let path = format!("/api/contents/{}/generate/", draft.content);
    for _ in 0..2 {
        shop.post(&shop.writer, &path, json!({"kind": "x"}))
            .await
            .is(400);
    }
    let throttled = shop
        .post(&shop.writer, &path, json!({"kind": "x"}))
        .await
        .is(429);
    assert!(
        throttled["detail"]
            .as_str()
            .unwrap()
            .starts_with("Request was throttled."),
        "{throttled}"
    );
    shop.post(&shop.editor, &path, json!({"kind": "x"}))
        .await
        .is(400);
}
