//! Tokens follow roles and organisations.

use reqwest::Method;
use serde_json::json;

use crate::harness::text;
use crate::organizations::{ADMIN, DOCTOR, WRITER, seeded};

#[tokio::test]
async fn q_a6_a_role_taken_away_ends_at_once_and_the_session_lives() {
    let app = seeded().await;
    let admin = app.access(ADMIN).await;
    let doctor = app.log_in(DOCTOR).await;
    let found = app
        .get("/api/auth/organization-members/?search=0000001", &admin)
        .await
        .expect(200);
    let path = format!(
        "/api/auth/organization-members/{}/",
        found["results"][0]["id"]
    );
    let (body, access) = (json!({"clinic_role": "secretary"}), text(&doctor, "access"));
    app.get("/api/auth/me/", &access).await.expect(200);
    app.call(Method::PATCH, &path, &admin, body)
        .await
        .expect(200);
    app.get("/api/auth/me/", &access).await.expect(401);
    let refresh = json!({"refresh": text(&doctor, "refresh")});
    let pair = app
        .post("/api/auth/token/refresh/", refresh)
        .await
        .expect(200);
    let me = app
        .get("/api/auth/me/", &text(&pair, "access"))
        .await
        .expect(200);
    assert_eq!(me["clinic_role"], "secretary");
}

#[tokio::test]
async fn a_session_moves_to_another_organization_of_its_user() {
    let app = seeded().await;
    let login = app.log_in(WRITER).await;
    let access = text(&login, "access");
    let body = json!({"name": "own", "slug": "own"});
    let own = app
        .call(Method::POST, "/api/auth/organizations/", &access, body)
        .await
        .expect(201);
    let body = json!({"refresh": text(&login, "refresh"), "organization": own["id"]});
    let pair = app.post("/api/auth/token/refresh/", body).await.expect(200);
    let me = app
        .get("/api/auth/me/", &text(&pair, "access"))
        .await
        .expect(200);
    assert_eq!(
        (&me["organization"], &me["content_role"]),
        (&own["id"], &json!("admin"))
    );
    let body = json!({"refresh": text(&pair, "refresh"), "organization": 999_999});
    app.post("/api/auth/token/refresh/", body).await.expect(400);
    let pair = app
        .post(
            "/api/auth/token/refresh/",
            json!({"refresh": text(&pair, "refresh")}),
        )
        .await
        .expect(200);
    let me = app
        .get("/api/auth/me/", &text(&pair, "access"))
        .await
        .expect(200);
    assert_eq!(me["organization"], own["id"]);
}
