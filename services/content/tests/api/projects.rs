use common_types::events::{Event as _, content::WorkspaceProjectsCounted};
use serde_json::json;
use service_testing::published_events;

use crate::support::{WORKSPACE, Workshop, keys, number};

#[tokio::test(flavor = "multi_thread")]
async fn c02_a_project_has_the_contracts_shape() {
    let shop = Workshop::open().await;
    let made = shop
        .post(&shop.writer, "/api/projects/", json!({"name": " Health ", "slug": "health", "workspace": WORKSPACE, "description": "d"}))
        .await
        .created();
    assert_eq!(
        keys(&made),
        [
            "content_count",
            "created_at",
            "created_by",
            "created_by_name",
            "description",
            "id",
            "is_active",
            "name",
            "slug",
            "updated_at",
            "workspace",
            "workspace_name"
        ]
    );
    assert_eq!(made["name"], "Health");
    assert_eq!(made["workspace"], WORKSPACE);
    assert_eq!(made["workspace_name"], "Space");
    assert_eq!(made["created_by"], shop.writer.number);
    assert_eq!(made["created_by_name"], "Person 14");
    assert_eq!(made["content_count"], 0);
    let path = format!("/api/projects/{}", number(&made));
    assert_eq!(
        shop.get(&shop.viewer, &path).await.ok(),
        made,
        "with and without the final slash"
    );
    let changed = shop
        .patch(&shop.editor, &path, json!({"is_active": false}))
        .await
        .ok();
    assert_eq!(
        (&changed["is_active"], &changed["name"]),
        (&json!(false), &json!("Health"))
    );
    let put = json!({"name": "N", "slug": "n", "workspace": WORKSPACE});
    assert_eq!(shop.put(&shop.editor, &path, put).await.ok()["slug"], "n");
    shop.delete(&shop.editor, &path).await.is(204);
    shop.get(&shop.viewer, &path).await.is(404);
}

#[tokio::test(flavor = "multi_thread")]
async fn c07_bad_fields_are_all_named() {
    let shop = Workshop::open().await;
    let missing = shop
        .post(&shop.writer, "/api/projects/", json!({}))
        .await
        .is(400);
    for field in ["name", "slug", "workspace"] {
        assert_eq!(
            missing[field],
            json!(["This field is required."]),
            "{field}"
        );
    }
    let bad = shop
        .post(
            &shop.writer,
            "/api/projects/",
            json!({"name": " ", "slug": "a b", "workspace": WORKSPACE}),
        )
        .await
        .is(400);
    assert_eq!(bad["name"], json!(["This field may not be blank."]));
    assert!(bad["slug"][0].as_str().unwrap().contains("slug"));
    let foreign = shop
        .post(
            &shop.writer,
            "/api/projects/",
            json!({"name": "n", "slug": "n", "workspace": 6}),
        )
        .await
        .is(400);
    assert_eq!(
        foreign["workspace"],
        json!(["Invalid pk \"6\" - object does not exist."]),
        "another organisation's"
    );
    let body = json!({"name": "n", "slug": "n", "workspace": WORKSPACE});
    shop.post(&shop.writer, "/api/projects/", body.clone())
        .await
        .created();
    let twice = shop
        .post(&shop.writer, "/api/projects/", body)
        .await
        .is(400);
    assert_eq!(
        twice["non_field_errors"],
        json!(["The fields workspace, slug must make a unique set."])
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn c07_lists_are_pages_with_filters_search_and_order() {
    let shop = Workshop::open().await;
    for name in ["alpha", "beta", "gamma_x"] {
        shop.post(
            &shop.writer,
            "/api/projects/",
            json!({"name": name, "slug": name, "workspace": WORKSPACE}),
        )
        .await
        .created();
    }
    let page = shop
        .get(&shop.viewer, "/api/projects/?page_size=2&ordering=name")
        .await
        .ok();
    assert_eq!(keys(&page), ["count", "next", "previous", "results"]);
    assert_eq!(page["count"], 3);
    assert_eq!(page["results"][0]["name"], "alpha");
    assert!(
        page["next"]
            .as_str()
            .unwrap()
            .ends_with("/api/projects/?page=2&page_size=2&ordering=name"),
        "{}",
        page["next"]
    );
    let found = shop
        .get(&shop.viewer, "/api/projects/?search=a_x")
        .await
        .ok();
    assert_eq!(found["count"], 1, "the underscore is no wildcard");
    assert_eq!(
        shop.get(
            &shop.viewer,
            &format!("/api/projects/?workspace={WORKSPACE}&is_active=true")
        )
        .await
        .ok()["count"],
        3
    );
    let bad = shop
        .get(&shop.viewer, "/api/projects/?workspace=6")
        .await
        .is(400);
    assert_eq!(
        bad["workspace"],
        json!(["Select a valid choice. That choice is not one of the available choices."])
    );
    assert_eq!(
        shop.get(&shop.viewer, "/api/projects/?page=9")
            .await
            .is(404)["detail"],
        "Invalid page."
    );
    assert_eq!(
        shop.get(&shop.viewer, "/api/projects/?page=x")
            .await
            .is(404)["detail"],
        "Invalid page."
    );
    assert_eq!(
        shop.get(&shop.stranger, "/api/projects/").await.ok()["count"],
        0,
        "another organisation's list"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn c02_a_project_with_contents_stays() {
    let shop = Workshop::open().await;
    let draft = shop.draft().await;
    shop.delete(&shop.editor, &format!("/api/projects/{}/", draft.project))
        .await
        .is(409);
    shop.delete(&shop.editor, &format!("/api/contents/{}/", draft.content))
        .await
        .is(204);
    shop.delete(&shop.editor, &format!("/api/projects/{}/", draft.project))
        .await
        .is(204);
}

#[tokio::test(flavor = "multi_thread")]
async fn c02_a_prompt_has_the_contracts_shape() {
    let shop = Workshop::open().await;
    let body = json!({"title": "T", "category": "blog", "prompt_template": "About {topic} for {audience}"});
    let made = shop
        .post(&shop.writer, "/api/prompts/", body)
        .await
        .created();
    assert_eq!(
        keys(&made),
        [
            "category",
            "created_at",
            "created_by",
            "created_by_name",
            "id",
            "is_public",
            "prompt_template",
            "title",
            "updated_at",
            "usage_count",
            "variables",
            "workspace",
            "workspace_name"
        ]
    );
    assert_eq!(
        made["variables"],
        json!(["topic", "audience"]),
        "read from the template when not given"
    );
    assert_eq!(
        (&made["workspace"], &made["is_public"], &made["usage_count"]),
        (&json!(null), &json!(false), &json!(0))
    );
    let path = format!("/api/prompts/{}/", number(&made));
    let changed = shop
        .patch(
            &shop.editor,
            &path,
            json!({"workspace": WORKSPACE, "variables": {"topic": "text"}}),
        )
        .await
        .ok();
    assert_eq!(changed["workspace_name"], "Space");
    assert_eq!(
        shop.patch(&shop.editor, &path, json!({"workspace": null}))
            .await
            .ok()["workspace"],
        json!(null)
    );
    let bad = shop
        .post(
            &shop.writer,
            "/api/prompts/",
            json!({"title": "T", "category": "poem", "prompt_template": "x", "variables": 3}),
        )
        .await
        .is(400);
    assert_eq!(bad["category"], json!(["\"poem\" is not a valid choice."]));
    assert!(bad["variables"].is_array());
    assert_eq!(
        shop.get(
            &shop.viewer,
            "/api/prompts/?category=blog&is_public=false&search=audience"
        )
        .await
        .ok()["count"],
        1
    );
    shop.get(&shop.viewer, "/api/prompts/?category=poem")
        .await
        .is(400);
    shop.delete(&shop.editor, &path).await.is(204);
}

/// A16: what auth-otp shows with a workspace is counted here; a newer version never holds an older count.
#[tokio::test(flavor = "multi_thread")]
async fn c02_projects_are_counted_for_their_workspace() {
    let shop = Workshop::open().await;
    let post = async |slug: &str| {
        let body = json!({"name": slug, "slug": slug, "workspace": WORKSPACE});
        number(
            &shop
                .post(&shop.writer, "/api/projects/", body)
                .await
                .created(),
        )
    };
    let slugs = ["a", "b", "c", "d", "e"];
    let made = futures_util::future::join_all(slugs.map(post)).await;
    let path = format!("/api/projects/{}/", made[0]);
    let renamed = json!({"name": "another"});
    shop.patch(&shop.editor, &path, renamed).await.ok();
    shop.delete(&shop.editor, &path).await.is(204);
    let mut told: Vec<(i64, i64)> = published_events(&shop.service.stack.db)
        .await
        .into_iter()
        .filter(|event| event.name == WorkspaceProjectsCounted::NAME)
        .map(|event| event.open::<WorkspaceProjectsCounted>().unwrap())
        .map(|event| (event.aggregate_version, event.project_count))
        .collect();
    told.sort_unstable();
    assert_eq!(told, [(1, 1), (2, 2), (3, 3), (4, 4), (5, 5), (6, 4)]);
}
