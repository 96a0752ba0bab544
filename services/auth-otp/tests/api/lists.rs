//! A15: lists of organisations, members and workspaces are filtered, searched and ordered as Contexor's clients ask.

use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::App;
use crate::organizations::{ADMIN, seeded};

/// The values under `key` of a list's page.
async fn column(app: &App, token: &str, path: &str, key: &str) -> Vec<String> {
    let page = app.get(path, token).await.expect(200);
    page["results"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row[key].to_string().trim_matches('"').to_owned())
        .collect()
}

async fn make(app: &App, token: &str, path: &str, body: Value) -> Value {
    app.call(Method::POST, path, token, body).await.expect(201)
}

#[tokio::test]
async fn a15_organizations_are_filtered_searched_and_ordered() {
    let app = seeded().await;
    let root = app.access(ADMIN).await;
    let path = "/api/auth/organizations/";
    for (name, slug) in [
        ("Beta lab", "beta"),
        ("Alpha lab", "alpha"),
        ("Gamma", "gamma"),
    ] {
        make(&app, &root, path, json!({"name": name, "slug": slug})).await;
    }
    let names = async |query: &str| column(&app, &root, &format!("{path}?{query}"), "name").await;
    assert_eq!(
        names("search=LAB&ordering=name").await,
        ["Alpha lab", "Beta lab"]
    );
    assert_eq!(
        names("search=lab&ordering=-name").await,
        ["Beta lab", "Alpha lab"]
    );
    assert_eq!(
        names("search=lab&ordering=created_at").await,
        ["Beta lab", "Alpha lab"]
    );
    assert_eq!(
        names("search=lab&ordering=-created_at").await,
        ["Alpha lab", "Beta lab"]
    );
    assert_eq!(names("search=gam").await, ["Gamma"]);
    assert!(
        names("search=%25").await.is_empty(),
        "a wildcard is a letter"
    );
    let gamma = app
        .get(&format!("{path}?search=gamma"), &root)
        .await
        .expect(200);
    let one = format!("{path}{}/", gamma["results"][0]["id"]);
    let body = json!({"is_active": false});
    app.call(Method::PATCH, &one, &root, body).await.expect(200);
    // Closing it ended the tokens of its members.
    let root = app.access(ADMIN).await;
    let names = async |query: &str| column(&app, &root, &format!("{path}?{query}"), "name").await;
    assert_eq!(names("is_active=false").await, ["Gamma"]);
    assert!(!names("is_active=true").await.contains(&"Gamma".to_owned()));
}

#[tokio::test]
async fn a15_members_and_workspaces_are_filtered_searched_and_ordered() {
    let app = seeded().await;
    let root = app.access(ADMIN).await;
    let body = json!({"name": "Other", "slug": "other"});
    let other = make(&app, &root, "/api/auth/organizations/", body).await["id"].clone();
    let path = "/api/auth/organization-members/";
    let body = json!({"organization": other, "phone_number": "09351239999", "role": "writer"});
    make(&app, &root, path, body).await;
    let roles = async |query: &str| column(&app, &root, &format!("{path}?{query}"), "role").await;
    assert_eq!(
        roles(&format!("organization={other}")).await,
        ["admin", "writer"]
    );
    let newest = format!("organization={other}&ordering=-joined_at");
    assert_eq!(roles(&newest).await, ["writer", "admin"]);
    assert_eq!(
        roles(&format!("organization={other}&role=writer")).await,
        ["writer"]
    );
    assert_eq!(roles("search=1239999").await, ["writer"]);
    let doctors = column(
        &app,
        &root,
        &format!("{path}?clinic_role=doctor"),
        "clinic_role",
    )
    .await;
    assert!(!doctors.is_empty() && doctors.iter().all(|role| role == "doctor"));

    let path = "/api/auth/workspaces/";
    for (name, slug) in [("Room two", "two"), ("Room one", "one")] {
        let body = json!({"organization": other, "name": name, "slug": slug});
        make(&app, &root, path, body).await;
    }
    let names = async |query: &str| column(&app, &root, &format!("{path}?{query}"), "name").await;
    let own = format!("organization={other}");
    assert_eq!(
        names(&format!("{own}&ordering=name")).await,
        ["Room one", "Room two"]
    );
    assert_eq!(
        names(&format!("{own}&ordering=-name")).await,
        ["Room two", "Room one"]
    );
    assert_eq!(
        names(&format!("{own}&ordering=created_at")).await,
        ["Room two", "Room one"]
    );
    assert_eq!(names("search=room+one").await, ["Room one"]);
    let page = app
        .get(&format!("{path}?search=room+one"), &root)
        .await
        .expect(200);
    let one = format!("{path}{}/", page["results"][0]["id"]);
    let body = json!({"is_active": false});
    app.call(Method::PATCH, &one, &root, body).await.expect(200);
    assert_eq!(names(&format!("{own}&is_active=false")).await, ["Room one"]);
}
