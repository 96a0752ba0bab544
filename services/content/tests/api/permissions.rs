//! The permission tests of the replaced system (A20, C06), as they were meant: over HTTP.

use reqwest::Method;
use serde_json::json;

use crate::support::{Answer, Person, WORKSPACE, Workshop, number};

fn everyone(shop: &Workshop) -> [(&'static str, &Person); 5] {
    [
        ("admin", &shop.admin),
        ("editor", &shop.editor),
        ("writer", &shop.writer),
        ("viewer", &shop.viewer),
        ("no role", &shop.outsider),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn test_can_edit_content_safe_methods() {
    let shop = Workshop::open().await;
    let draft = shop.draft().await;
    for (name, person) in everyone(&shop) {
        for path in [
            "/api/contents/".to_owned(),
            format!("/api/contents/{}/", draft.content),
        ] {
            let expected = if name == "no role" { 403 } else { 200 };
            assert_eq!(
                shop.get(person, &path).await.status.as_u16(),
                expected,
                "{name} {path}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn test_can_edit_content_unsafe_methods() {
    let shop = Workshop::open().await;
    let draft = shop.draft().await;
    let path = format!("/api/contents/{}/", draft.content);
    for (name, person) in everyone(&shop) {
        let expected = if matches!(name, "admin" | "editor") {
            200
        } else {
            403
        };
        assert_eq!(
            shop.patch(person, &path, json!({"title": name}))
                .await
                .status
                .as_u16(),
            expected,
            "{name} PATCH"
        );
        let put = json!({"title": name, "project": draft.project});
        assert_eq!(
            shop.put(person, &path, put).await.status.as_u16(),
            expected,
            "{name} PUT"
        );
    }
    for (_, person) in &everyone(&shop)[2..] {
        let refused = shop.delete(person, &path).await.is(403);
        assert_eq!(
            refused["detail"],
            "You do not have permission to perform this action."
        );
    }
    shop.delete(&shop.editor, &path).await.is(204);
}

#[tokio::test(flavor = "multi_thread")]
async fn test_can_create_content() {
    let shop = Workshop::open().await;
    let draft = shop.draft().await;
    for (name, person) in everyone(&shop) {
        let expected = if matches!(name, "admin" | "editor" | "writer") {
            201
        } else {
            403
        };
        let slug = name.replace(' ', "-");
        for (path, body) in [
            (
                "/api/contents/",
                json!({"title": name, "project": draft.project}),
            ),
            (
                "/api/projects/",
                json!({"name": name, "slug": slug, "workspace": WORKSPACE}),
            ),
            (
                "/api/prompts/",
                json!({"title": name, "category": "other", "prompt_template": "x"}),
            ),
        ] {
            assert_eq!(
                shop.post(person, path, body).await.status.as_u16(),
                expected,
                "{name} {path}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn test_can_approve_content() {
    let shop = Workshop::open().await;
    let draft = shop.in_review().await;
    for (name, person) in [
        ("writer", &shop.writer),
        ("viewer", &shop.viewer),
        ("no role", &shop.outsider),
    ] {
        for action in ["approve", "reject"] {
            let path = format!("/api/contents/{}/{action}/", draft.content);
            assert_eq!(
                shop.post(person, &path, json!({"reason": "r"}))
                    .await
                    .status
                    .as_u16(),
                403,
                "{name} {action}"
            );
        }
    }
    shop.post(
        &shop.admin,
        &format!("/api/contents/{}/approve/", draft.content),
        json!({}),
    )
    .await
    .ok();
}

#[tokio::test(flavor = "multi_thread")]
async fn test_permission_with_workspace_object() {
    let shop = Workshop::open().await;
    let foreign = json!({"name": "n", "slug": "n", "workspace": WORKSPACE});
    shop.post(&shop.stranger, "/api/projects/", foreign)
        .await
        .is(400);
    let own = shop
        .post(
            &shop.stranger,
            "/api/projects/",
            json!({"name": "n", "slug": "n", "workspace": 6}),
        )
        .await
        .created();
    shop.get(&shop.admin, &format!("/api/projects/{}/", number(&own)))
        .await
        .is(404);
}

#[tokio::test(flavor = "multi_thread")]
async fn test_permission_with_project_object() {
    let shop = Workshop::open().await;
    let draft = shop.in_review().await;
    let content = format!("/api/contents/{}/", draft.content);
    shop.get(&shop.stranger, &content).await.is(404);
    shop.patch(&shop.stranger, &content, json!({"title": "mine"}))
        .await
        .is(404);
    shop.delete(&shop.stranger, &content).await.is(404);
    shop.post(&shop.stranger, &format!("{content}approve/"), json!({}))
        .await
        .is(404);
    shop.post(
        &shop.stranger,
        &format!("{content}reject/"),
        json!({"reason": "r"}),
    )
    .await
    .is(404);
    shop.post(
        &shop.stranger,
        &format!("{content}generate/"),
        json!({"kind": "draft"}),
    )
    .await
    .is(404);
    shop.get(&shop.stranger, &format!("{content}versions/"))
        .await
        .is(404);
    let refused = shop
        .get(&shop.stranger, &format!("/api/prompts/{}/", draft.prompt))
        .await
        .is(404);
    assert_eq!(refused["detail"], "No Prompt matches the given query.");
}

#[tokio::test(flavor = "multi_thread")]
async fn c06_a_writer_submits_own_drafts_only() {
    let shop = Workshop::open().await;
    let draft = shop.draft().await;
    let others = shop
        .post(
            &shop.editor,
            "/api/contents/",
            json!({"title": "E", "project": draft.project}),
        )
        .await
        .created();
    let (own, other) = (
        format!("/api/contents/{}/", draft.content),
        format!("/api/contents/{}/", number(&others)),
    );
    shop.patch(&shop.writer, &other, json!({"status": "review"}))
        .await
        .is(403);
    shop.post(
        &shop.writer,
        &format!("{other}generate/"),
        json!({"kind": "draft"}),
    )
    .await
    .is(403);
    shop.patch(
        &shop.writer,
        &own,
        json!({"body": "text", "status": "review"}),
    )
    .await
    .is(403);
    shop.patch(&shop.writer, &own, json!({"status": "review"}))
        .await
        .ok();
    shop.patch(&shop.writer, &own, json!({"status": "draft"}))
        .await
        .is(403);
}

#[tokio::test(flavor = "multi_thread")]
async fn c06_a_setting_lets_a_writer_edit_an_own_draft() {
    let shop =
        Workshop::open_with(|setup| setup.set("generation.writer_edit_own_draft", true)).await;
    let draft = shop.draft().await;
    let own = format!("/api/contents/{}/", draft.content);
    let changed = shop
        .patch(
            &shop.writer,
            &own,
            json!({"body": "my text", "status": "review"}),
        )
        .await
        .ok();
    assert_eq!(
        (&changed["status"], &changed["word_count"]),
        (&json!("review"), &json!(2))
    );
    shop.patch(&shop.writer, &own, json!({"body": "again"}))
        .await
        .is(403);
}

#[tokio::test(flavor = "multi_thread")]
async fn c06_without_an_organisation_nothing_is_allowed() {
    let shop = Workshop::open().await;
    let token = shop.service.issuer.access(|claims| {
        claims.content_role = Some(common_types::ContentRole::Admin);
        claims.superuser = true;
        claims.org = None;
    });
    let request = shop
        .service
        .request(Method::GET, "/api/contents/")
        .bearer_auth(token);
    Answer::of(request).await.is(403);
}
