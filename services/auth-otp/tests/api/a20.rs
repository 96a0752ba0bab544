//! A20, the two permission tests that concern organisations (wire.md 8.1), ownership, and parallel demotions.

use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::App;
use crate::organizations::{ADMIN, seeded};

const ROLES: [&str; 4] = ["admin", "editor", "writer", "viewer"];

/// An organisation with one member of each content role, and their tokens in the order of [`ROLES`].
async fn with_every_role(app: &App) -> (i64, Vec<String>) {
    let root = app.access(ADMIN).await;
    let body = json!({"name": "Every role", "slug": "every-role"});
    let made = app
        .call(Method::POST, "/api/auth/organizations/", &root, body)
        .await
        .expect(201);
    let id = made["id"].as_i64().unwrap();
    let mut tokens = Vec::new();
    for (index, role) in ROLES.iter().enumerate() {
        let phone = format!("0935999000{index}");
        let body = json!({"organization": id, "phone_number": phone, "role": role});
        app.call(Method::POST, "/api/auth/organization-members/", &root, body)
            .await
            .expect(201);
        tokens.push(app.access(&phone).await);
    }
    (id, tokens)
}

#[tokio::test]
async fn a20_test_is_organization_admin() {
    let app = seeded().await;
    let (id, tokens) = with_every_role(&app).await;
    let stranger = app.access("09359990009").await;
    let path = format!("/api/auth/organizations/{id}/");
    let body = json!({"description": "changed"});
    for (role, token) in ROLES.iter().zip(&tokens) {
        let status = if *role == "admin" { 200 } else { 403 };
        app.call(Method::PATCH, &path, token, body.clone())
            .await
            .expect(status);
        let status = if *role == "admin" { 201 } else { 403 };
        let workspace = json!({"name": "w", "slug": format!("w-{role}"), "organization": id});
        app.call(Method::POST, "/api/auth/workspaces/", token, workspace)
            .await
            .expect(status);
    }
    app.call(Method::PATCH, &path, &stranger, body)
        .await
        .expect(404);
}

#[tokio::test]
async fn a20_test_is_organization_member() {
    let app = seeded().await;
    let (id, tokens) = with_every_role(&app).await;
    let stranger = app.access("09359990009").await;
    let one = format!("/api/auth/organizations/{id}/");
    let members = format!("/api/auth/organization-members/?organization={id}");
    for token in &tokens {
        app.get(&one, token).await.expect(200);
        let list = app.get(&members, token).await.expect(200);
        assert_eq!(list["count"], 5);
    }
    app.get(&one, &stranger).await.expect(404);
    let filtered = app.get(&members, &stranger).await.expect(400);
    assert!(filtered["organization"].is_array());
}

/// Membership is derived through the workspace.
#[tokio::test]
async fn a20_test_permission_with_workspace_object() {
    let app = seeded().await;
    let (id, tokens) = with_every_role(&app).await;
    let body = json!({"name": "w", "slug": "w", "organization": id});
    let made = app
        .call(Method::POST, "/api/auth/workspaces/", &tokens[0], body)
        .await
        .expect(201);
    let path = format!("/api/auth/workspaces/{}/", made["id"]);
    for (role, token) in ROLES.iter().zip(&tokens) {
        app.get(&path, token).await.expect(200);
        let status = if *role == "admin" { 200 } else { 403 };
        app.call(Method::PATCH, &path, token, json!({"name": "n"}))
            .await
            .expect(status);
    }
    let stranger = app.access("09359990009").await;
    app.get(&path, &stranger).await.expect(404);
}

/// A foreign object answers exactly like a missing one, in every tree and for every method.
#[tokio::test]
async fn q_a7_foreign_objects_answer_like_missing_ones() {
    let app = seeded().await;
    let root = app.access(ADMIN).await;
    let stranger = app.access("09359990009").await;
    let first = async |path: &str| -> Value {
        app.get(path, &root).await.expect(200)["results"][0]["id"].clone()
    };
    let organization = first("/api/auth/organizations/").await;
    let wish =
        json!({"organization": organization, "phone_number": "09351112233", "role": "viewer"});
    let invitation = app
        .call(Method::POST, "/api/auth/invitations/", &root, wish)
        .await
        .expect(201)["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let missing_invitation = uuid::Uuid::now_v7().to_string();
    let mut pairs: Vec<(String, String)> = Vec::new();
    for list in [
        "/api/auth/organizations/",
        "/api/auth/organization-members/",
        "/api/auth/workspaces/",
        "/api/auth/users/",
    ] {
        pairs.push((
            format!("{list}{}/", first(list).await),
            format!("{list}999999/"),
        ));
    }
    for end in ["", "resend/", "revoke/", "accept/", "decline/"] {
        pairs.push((
            format!("/api/auth/invitations/{invitation}/{end}"),
            format!("/api/auth/invitations/{missing_invitation}/{end}"),
        ));
    }
    for end in ["", "/workspaces", "/members"] {
        pairs.push((
            format!("/api/v1/organizations/{organization}{end}"),
            format!("/api/v1/organizations/999999{end}"),
        ));
    }
    let mut compared = 0;
    for (foreign, missing) in &pairs {
        for method in [Method::GET, Method::POST, Method::PATCH, Method::DELETE] {
            let body = if method == Method::GET || method == Method::DELETE {
                Value::Null
            } else {
                json!({"name": "n"})
            };
            let one = app
                .call(method.clone(), foreign, &stranger, body.clone())
                .await;
            let other = app.call(method.clone(), missing, &stranger, body).await;
            assert_eq!(one.status, other.status, "{method} {foreign}");
            assert!(
                matches!(one.status, 404 | 405),
                "{method} {foreign}: {}",
                one.status
            );
            let plain = |mut body: Value| {
                for key in ["request_id", "timestamp"] {
                    body.as_object_mut().unwrap().remove(key);
                }
                body
            };
            assert_eq!(plain(one.body), plain(other.body), "{method} {foreign}");
            compared += 1;
        }
    }
    assert!(compared >= 48, "{compared}");
}

#[tokio::test]
async fn a15_two_admins_cannot_demote_each_other_at_once() {
    let app = seeded().await;
    let founder = app.access("09359990009").await;
    let body = json!({"name": "two", "slug": "two"});
    let made = app
        .call(Method::POST, "/api/auth/organizations/", &founder, body)
        .await
        .expect(201);
    let root = app.access(ADMIN).await;
    let body = json!({"organization": made["id"], "phone_number": "09359990008", "role": "admin"});
    app.call(Method::POST, "/api/auth/organization-members/", &root, body)
        .await
        .expect(201);
    let second = app.access("09359990008").await;
    let list = app
        .get(
            &format!(
                "/api/auth/organization-members/?organization={}",
                made["id"]
            ),
            &founder,
        )
        .await
        .expect(200);
    let path = |index: usize| {
        format!(
            "/api/auth/organization-members/{}/",
            list["results"][index]["id"]
        )
    };
    let (one, other) = (path(0), path(1));
    let body = json!({"role": "viewer"});
    let (a, b) = tokio::join!(
        app.call(Method::PATCH, &one, &second, body.clone()),
        app.call(Method::PATCH, &other, &founder, body.clone())
    );
    let demoted = [a.status, b.status]
        .iter()
        .filter(|status| **status == 200)
        .count();
    assert_eq!(demoted, 1, "{} {}", a.status, b.status);
    let admins = app
        .get(
            &format!(
                "/api/auth/organization-members/?organization={}&role=admin",
                made["id"]
            ),
            &root,
        )
        .await
        .expect(200);
    assert_eq!(admins["count"], 1);
}

#[tokio::test]
async fn the_console_shows_people_and_organizations_to_superusers() {
    let app = seeded().await;
    let (root, doctor) = (app.access(ADMIN).await, app.access("09120000001").await);
    let people = "/api/admin/auth-otp/users/";
    let list = app
        .get(&format!("{people}?search=doctor"), &root)
        .await
        .expect(200);
    assert_eq!(list["count"], 1);
    let one = format!("{people}{}/", list["results"][0]["uuid"].as_str().unwrap());
    let person = app.get(&one, &root).await.expect(200);
    assert_eq!(person["memberships"][0]["clinic_role"], "doctor");
    assert_eq!(person["user"]["username"], "doctor");
    let clinics = "/api/admin/auth-otp/organizations/";
    let list = app.get(clinics, &root).await.expect(200);
    assert_eq!(list["results"][0]["member_count"], 6);
    let clinic = format!("{clinics}{}/", list["results"][0]["uuid"].as_str().unwrap());
    app.get(&clinic, &root).await.expect(200);
    for path in [people, &one, clinics, &clinic] {
        app.get(path, &doctor).await.expect(403);
    }
    let missing = uuid::Uuid::now_v7();
    for list in [people, clinics] {
        app.get(&format!("{list}{missing}/"), &root)
            .await
            .expect(404);
    }
}
