//! A08, A16: workspaces, and how many projects they have.

use std::time::Duration;

use auth_otp::AuthOtp;
use chrono::Utc;
use common_types::events::content::WorkspaceProjectsCounted;
use diesel_async::RunQueryDsl;
use reqwest::Method;
use serde_json::{Value, json};
use service_events::outbox;
use service_testing::eventually;
use tokio_util::sync::CancellationToken;

use crate::{
    harness::App,
    organizations::{ADMIN, STRANGER, WRITER, seeded},
};

#[tokio::test]
async fn a08_workspaces() {
    let app = seeded().await;
    let (admin, writer) = (app.access(ADMIN).await, app.access(WRITER).await);
    let organization = app
        .get("/api/auth/organizations/", &writer)
        .await
        .expect(200)["results"][0]["id"]
        .clone();
    let body = json!({"name": "وبلاگ", "slug": "blog", "organization": organization});
    app.call(Method::POST, "/api/auth/workspaces/", &writer, body.clone())
        .await
        .expect(403);
    let made = app
        .call(Method::POST, "/api/auth/workspaces/", &admin, body.clone())
        .await
        .expect(201);
    for key in [
        "id",
        "name",
        "slug",
        "organization",
        "organization_name",
        "description",
        "is_active",
        "created_at",
        "updated_at",
        "project_count",
    ] {
        assert!(made.get(key).is_some(), "{key}");
    }
    assert_eq!(made["project_count"], 0);
    let again = app
        .call(Method::POST, "/api/auth/workspaces/", &admin, body)
        .await
        .expect(400);
    assert_eq!(
        again["non_field_errors"],
        json!(["The fields organization, slug must make a unique set."])
    );
    let foreign = json!({"name": "x", "slug": "x", "organization": 999_999});
    let request = app
        .request(Method::POST, "/api/auth/workspaces/")
        .header("accept-language", "en")
        .bearer_auth(&writer)
        .json(&foreign);
    let answer = crate::harness::send(request).await.expect(400);
    assert_eq!(
        answer["organization"],
        json!(["Invalid pk \"999999\" - object does not exist."])
    );
    let path = format!("/api/auth/workspaces/{}/", made["id"]);
    app.call(Method::PATCH, &path, &writer, json!({"name": "z"}))
        .await
        .expect(403);
    app.call(Method::PATCH, &path, &admin, json!({"is_active": false}))
        .await
        .expect(200);
    let open = app
        .get("/api/auth/workspaces/?is_active=true", &writer)
        .await
        .expect(200);
    assert_eq!(open["count"], 1);
    let stranger = app.access(STRANGER).await;
    app.get(&path, &stranger).await.expect(404);
    app.call(Method::DELETE, &path, &stranger, Value::Null)
        .await
        .expect(404);
    app.call(Method::DELETE, &path, &admin, Value::Null)
        .await
        .expect(204);
}

/// Events that the queue of counts has applied.
async fn applied(app: &App) -> i64 {
    #[derive(diesel::QueryableByName)]
    struct Count {
        #[diesel(sql_type = diesel::sql_types::BigInt)]
        count: i64,
    }
    let mut conn = app.db.db.get().await.unwrap();
    let sql =
        "SELECT count(*) AS count FROM inbox_events WHERE consumer LIKE '%workspace-projects'";
    let row: Count = diesel::sql_query(sql).get_result(&mut conn).await.unwrap();
    row.count
}

/// A16: content tells how many projects a workspace has; the newest count is shown, whatever the order of arrival.
#[tokio::test]
async fn a16_a_workspace_shows_how_many_projects_content_counted() {
    let app = seeded().await;
    let admin = app.access(ADMIN).await;
    let organizations = app.get("/api/auth/organizations/", &admin).await;
    let organization = organizations.expect(200)["results"][0]["id"].clone();
    let body = json!({"name": "Blog", "slug": "counted", "organization": organization});
    let made = app
        .call(Method::POST, "/api/auth/workspaces/", &admin, body)
        .await
        .expect(201);
    let worker = service_http::cli::worker::<AuthOtp>(&app.state.stack, &app.state);
    let cancel = CancellationToken::new();
    let running = tokio::spawn(worker.run(cancel.clone()));
    let id: uuid::Uuid = made["uuid"].as_str().unwrap().parse().unwrap();
    let mut conn = app.db.db.get().await.unwrap();
    for (version, count) in [(2, 7), (1, 6)] {
        // As content would tell it.
        let event = WorkspaceProjectsCounted {
            workspace_id: id,
            aggregate_version: version,
            organization_id: uuid::Uuid::now_v7(),
            project_count: count,
            counted_at: Utc::now(),
        };
        outbox::emit(&mut conn, "content", &event, Utc::now())
            .await
            .unwrap();
    }
    drop(conn);
    app.state.stack.outbox.wake();
    eventually(Duration::from_secs(60), async || {
        service_testing::unsettled_events(&app.db.db).await == (0, 0) && applied(&app).await == 2
    })
    .await;
    let path = format!("/api/auth/workspaces/{}/", made["id"]);
    assert_eq!(app.get(&path, &admin).await.expect(200)["project_count"], 7);
    let listed = app
        .get("/api/auth/workspaces/?search=counted", &admin)
        .await;
    assert_eq!(listed.expect(200)["results"][0]["project_count"], 7);
    cancel.cancel();
    running.await.unwrap();
}
