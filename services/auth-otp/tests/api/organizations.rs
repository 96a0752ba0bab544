//! A08, A15, A17: organisations and members; roles enforced.

use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{App, keys};

pub(crate) const ADMIN: &str = "09120000000";
pub(crate) const DOCTOR: &str = "09120000001";
pub(crate) const WRITER: &str = "09120000004";
pub(crate) const STRANGER: &str = "09350000001";

pub(crate) async fn seeded() -> App {
    let app = App::start().await;
    auth_otp::setup::seed(&app.state, "demo").await.unwrap();
    app
}

#[tokio::test]
async fn a08_lists_are_pages_of_ones_own_organizations() {
    let app = seeded().await;
    let doctor = app.access(DOCTOR).await;
    let page = app
        .get("/api/auth/organizations/", &doctor)
        .await
        .expect(200);
    assert_eq!(keys(&page), ["count", "next", "previous", "results"]);
    assert_eq!(page["count"], 1);
    let organization = &page["results"][0];
    for key in [
        "id",
        "name",
        "slug",
        "description",
        "is_active",
        "created_at",
        "updated_at",
        "member_count",
        "workspace_count",
    ] {
        assert!(organization.get(key).is_some(), "{key}");
    }
    assert_eq!(
        (
            &organization["member_count"],
            &organization["workspace_count"]
        ),
        (&json!(6), &json!(1))
    );
    let stranger = app.access(STRANGER).await;
    assert_eq!(
        app.get("/api/auth/organizations/", &stranger)
            .await
            .expect(200)["count"],
        0
    );
    let path = format!("/api/auth/organizations/{}/", organization["id"]);
    let missing = app.get(&path, &stranger).await.expect(404);
    assert_eq!(
        missing["detail"],
        "No Organization matches the given query."
    );
    app.get("/api/auth/organizations/?page=9", &doctor)
        .await
        .expect(404);
}

#[tokio::test]
async fn a08_whoever_makes_an_organization_is_its_content_admin_only() {
    let app = App::start().await;
    let owner = app.access(STRANGER).await;
    let body = json!({"name": "کلینیک", "slug": "klinik"});
    let made = app
        .call(
            Method::POST,
            "/api/auth/organizations/",
            &owner,
            body.clone(),
        )
        .await
        .expect(201);
    let again = app
        .call(Method::POST, "/api/auth/organizations/", &owner, body)
        .await
        .expect(400);
    assert!(again["slug"].is_array());
    let members = app
        .get("/api/auth/organization-members/", &owner)
        .await
        .expect(200);
    let me = &members["results"][0];
    assert_eq!(
        (&me["role"], &me["clinic_role"]),
        (&json!("admin"), &Value::Null)
    );
    // Nobody makes themselves a doctor.
    let path = format!("/api/auth/organization-members/{}/", me["id"]);
    app.call(
        Method::PATCH,
        &path,
        &owner,
        json!({"clinic_role": "doctor"}),
    )
    .await
    .expect(403);
    let path = format!("/api/auth/organizations/{}/", made["id"]);
    let renamed = app
        .call(Method::PATCH, &path, &owner, json!({"name": "نام دیگر"}))
        .await
        .expect(200);
    assert_eq!(renamed["name"], "نام دیگر");
    app.call(Method::DELETE, &path, &owner, Value::Null)
        .await
        .expect(204);
    // Its tokens end with it; the person goes on with new ones.
    app.get("/api/auth/me/", &owner).await.expect(401);
    let owner = app.access(STRANGER).await;
    assert_eq!(app.get(&path, &owner).await.expect(200)["is_active"], false);
}

#[tokio::test]
async fn a08_organization_field_errors() {
    let app = App::start().await;
    let owner = app.access(STRANGER).await;
    let body = app
        .call(Method::POST, "/api/auth/organizations/", &owner, json!({}))
        .await
        .expect(400);
    assert!(body["name"].is_array() && body["slug"].is_array());
    let long = "x".repeat(256);
    for (body, field) in [
        (json!({"name": "", "slug": "a"}), "name"),
        (json!({"name": long, "slug": "a"}), "name"),
        (json!({"name": "a", "slug": "a b"}), "slug"),
        (json!({"name": "a", "slug": "x".repeat(101)}), "slug"),
    ] {
        let answer = app
            .call(Method::POST, "/api/auth/organizations/", &owner, body)
            .await
            .expect(400);
        assert!(answer[field].is_array(), "{answer}");
    }
}

#[tokio::test]
async fn a08_members_are_changed_by_admins_only() {
    let app = seeded().await;
    let (admin, doctor, writer) = (
        app.access(ADMIN).await,
        app.access(DOCTOR).await,
        app.access(WRITER).await,
    );
    let organization = app
        .get("/api/auth/organizations/", &doctor)
        .await
        .expect(200)["results"][0]["id"]
        .clone();
    let body = json!({"organization": organization, "phone_number": "09350000002", "clinic_role": "doctor"});
    for token in [&doctor, &writer] {
        app.call(
            Method::POST,
            "/api/auth/organization-members/",
            token,
            body.clone(),
        )
        .await
        .expect(403);
    }
    let member = app
        .call(
            Method::POST,
            "/api/auth/organization-members/",
            &admin,
            body.clone(),
        )
        .await
        .expect(201);
    assert_eq!(member["user"]["phone_number"], "+989350000002");
    let again = app
        .call(
            Method::POST,
            "/api/auth/organization-members/",
            &admin,
            body,
        )
        .await
        .expect(400);
    assert_eq!(
        again["non_field_errors"],
        json!(["The fields user, organization must make a unique set."])
    );
    let path = format!("/api/auth/organization-members/{}/", member["id"]);
    let changed = app
        .call(Method::PATCH, &path, &admin, json!({"role": "editor"}))
        .await
        .expect(200);
    assert_eq!(
        (&changed["role"], &changed["clinic_role"]),
        (&json!("editor"), &json!("doctor"))
    );
    let bad = app
        .call(Method::PATCH, &path, &admin, json!({"role": "owner"}))
        .await
        .expect(400);
    assert!(bad["role"].is_array());
    app.call(Method::DELETE, &path, &writer, Value::Null)
        .await
        .expect(403);
    app.call(Method::DELETE, &path, &admin, Value::Null)
        .await
        .expect(204);
    app.get(&path, &admin).await.expect(404);
    let filtered = app
        .get("/api/auth/organization-members/?role=writer", &doctor)
        .await
        .expect(200);
    assert_eq!(filtered["count"], 1);
    let found = app
        .get("/api/auth/organization-members/?search=0000001", &doctor)
        .await
        .expect(200);
    assert_eq!(found["results"][0]["user"]["full_name"], "دکتر مریم رضایی");
}

#[tokio::test]
async fn a08_strangers_are_not_enumerable_by_number() {
    let app = seeded().await;
    let owner = app.access(STRANGER).await;
    let body = json!({"name": "a", "slug": "a"});
    let made = app
        .call(Method::POST, "/api/auth/organizations/", &owner, body)
        .await
        .expect(201);
    let doctor = app
        .get("/api/auth/me/", &app.access(DOCTOR).await)
        .await
        .expect(200)["id"]
        .clone();
    for user in [doctor, json!(999_999)] {
        let body = json!({"organization": made["id"], "user_id": user, "role": "viewer"});
        let answer = app
            .call(
                Method::POST,
                "/api/auth/organization-members/",
                &owner,
                body,
            )
            .await
            .expect(400);
        assert!(answer["user_id"].is_array());
    }
}

#[tokio::test]
async fn a08_the_last_admin_stays() {
    let app = App::start().await;
    let owner = app.access(STRANGER).await;
    let body = json!({"name": "a", "slug": "a"});
    app.call(Method::POST, "/api/auth/organizations/", &owner, body)
        .await
        .expect(201);
    let members = app
        .get("/api/auth/organization-members/", &owner)
        .await
        .expect(200);
    let path = format!(
        "/api/auth/organization-members/{}/",
        members["results"][0]["id"]
    );
    app.call(Method::PATCH, &path, &owner, json!({"role": "viewer"}))
        .await
        .expect(409);
    app.call(Method::DELETE, &path, &owner, Value::Null)
        .await
        .expect(409);
}
