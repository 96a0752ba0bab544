//! CIMEF's users page (cimef.md 2.1, 5): shapes and French words.

use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{App, keys, text};
use crate::organizations::{ADMIN, DOCTOR};

pub(crate) const PASSWORD: &str = "گذرواژه-Staff-1";
pub(crate) const STRONG: &str = "corneille-violette-82";
pub(crate) const USERS: &str = "/api/auth/users/";

/// The sample clinic with an admin of its own who is no superuser.
pub(crate) async fn clinic() -> (App, String, String) {
    let app = App::start_with(&[("DEMO__STAFF_PASSWORD", PASSWORD)]).await;
    auth_otp::setup::seed(&app.state, "demo").await.unwrap();
    let superuser = app.access(ADMIN).await;
    let body = json!({"username": "awa.admin", "first_name": "Awa", "last_name": "Diop", "role": "admin",
        "email": "awa@cimef.example", "department": "Direction", "password": STRONG, "is_active": true});
    app.call(Method::POST, USERS, &superuser, body)
        .await
        .expect(201);
    let admin = log_in(&app, "awa.admin", STRONG).await;
    (app, superuser, admin)
}

pub(crate) async fn log_in(app: &App, name: &str, password: &str) -> String {
    let body = json!({"username": name, "password": password});
    text(
        &app.post("/api/auth/token/", body).await.expect(200),
        "access",
    )
}

pub(crate) async fn find(app: &App, token: &str, username: &str) -> Value {
    let list = app
        .get(&format!("{USERS}?search={username}"), token)
        .await
        .expect(200);
    list["results"][0].clone()
}

/// Makes an account as the page does; the path of the person.
pub(crate) async fn hire(app: &App, admin: &str, person: Value) -> String {
    let made = app
        .call(Method::POST, USERS, admin, person)
        .await
        .expect(201);
    format!("{USERS}{}/", made["id"])
}

pub(crate) fn nurse() -> Value {
    json!({"username": "fatou", "email": "fatou@cimef.example", "first_name": "Fatou", "last_name": "Sow",
        "role": "secretary", "department": "Accueil", "password": STRONG, "is_active": true})
}

#[tokio::test]
async fn cimef_users_list_is_envelope_b_with_what_the_page_reads() {
    let (app, superuser, admin) = clinic().await;
    let page = app.get(USERS, &admin).await.expect(200);
    assert_eq!(keys(&page), ["count", "next", "previous", "results"]);
    let users = page["results"].as_array().unwrap();
    assert!(!users.is_empty());
    for user in users {
        for key in [
            "username",
            "email",
            "first_name",
            "last_name",
            "role",
            "department",
        ] {
            assert!(user[key].is_string(), "{key} of {user}");
        }
        assert!(user["id"].is_number() && user["is_active"].is_boolean());
        for key in ["phone_number", "last_login", "date_joined"] {
            assert!(user.get(key).is_some(), "{key}");
        }
        assert!(user.get("password").is_none() && user.get("password_hash").is_none());
        assert_ne!(user["role"], "superuser", "an admin sees no superuser");
    }
    let everybody = app.get(USERS, &superuser).await.expect(200);
    assert_eq!(
        everybody["count"].as_i64().unwrap(),
        page["count"].as_i64().unwrap() + 2,
        "the superuser and the patient"
    );
    let doctor = app.access(DOCTOR).await;
    let own = app.get(USERS, &doctor).await.expect(200);
    assert_eq!(
        (&own["count"], &own["results"][0]["username"]),
        (&json!(1), &json!("doctor"))
    );
}

#[tokio::test]
async fn cimef_users_filters_search_and_ordering() {
    let (app, _, admin) = clinic().await;
    let count = async |query: &str| {
        app.get(&format!("{USERS}?{query}"), &admin)
            .await
            .expect(200)["count"]
            .clone()
    };
    assert_eq!(count("role=doctor").await, 1);
    assert_eq!(count("role=superuser").await, 0);
    assert_eq!(count("search=awa").await, 1);
    assert_eq!(count("search=DIOP%20awa").await, 1, "every word, any case");
    assert_eq!(count("search=%25").await, 0, "a wildcard is a character");
    assert_eq!(count("is_active=false").await, 0);
    let names = async |query: &str| -> Vec<i64> {
        app.get(&format!("{USERS}?{query}"), &admin)
            .await
            .expect(200)["results"]
            .as_array()
            .unwrap()
            .iter()
            .map(|user| user["id"].as_i64().unwrap())
            .collect()
    };
    let (up, mut down) = (names("ordering=id").await, names("ordering=-id").await);
    down.reverse();
    assert_eq!(up, down);
    let page = app
        .get(&format!("{USERS}?page_size=2&page=2"), &admin)
        .await
        .expect(200);
    assert_eq!(page["results"].as_array().unwrap().len(), 2);
    assert!(page["next"].is_string() && page["previous"].is_string());
    app.get(&format!("{USERS}?page=99"), &admin)
        .await
        .expect(404);
    let bad = app
        .get(&format!("{USERS}?role=nurse"), &admin)
        .await
        .expect(400);
    assert!(bad["role"].is_array());
}

#[tokio::test]
async fn cimef_users_are_made_with_the_forms_words() {
    let (app, _, admin) = clinic().await;
    let made = app
        .call(Method::POST, USERS, &admin, nurse())
        .await
        .expect(201);
    assert_eq!(
        (&made["role"], &made["is_active"], &made["last_login"]),
        (&json!("secretary"), &json!(true), &Value::Null)
    );
    let token = log_in(&app, "FATOU", STRONG).await;
    let me = app.get("/api/auth/users/me/", &token).await.expect(200);
    assert_eq!(
        (&me["role"], &me["is_admin"], &me["permissions"]),
        (&json!("secretary"), &json!(false), &json!([]))
    );
    for (body, field, message) in [
        (json!({}), "username", "Ce champ est obligatoire."),
        (
            json!({"username": ""}),
            "username",
            "Ce champ ne peut être vide.",
        ),
        (
            json!({"username": null}),
            "username",
            "Ce champ ne peut être nul.",
        ),
        (
            json!({"username": "Fatou"}),
            "username",
            "Un utilisateur avec ce nom existe déjà.",
        ),
        (
            json!({"username": "a b"}),
            "username",
            "Saisissez un nom d’utilisateur valide. Il ne peut contenir que des lettres, des nombres ou les \
             caractères «\u{a0}@\u{a0}», «\u{a0}.\u{a0}», «\u{a0}+\u{a0}», «\u{a0}-\u{a0}» et «\u{a0}_\u{a0}».",
        ),
        (
            json!({"username": "x", "role": "nurse"}),
            "role",
            "«\u{a0}nurse\u{a0}» n'est pas un choix valide.",
        ),
        (
            json!({"username": "x", "email": "x"}),
            "email",
            "Saisissez une adresse e-mail valide.",
        ),
        (
            json!({"username": "x", "department": "d".repeat(101)}),
            "department",
            "Assurez-vous que ce champ comporte au plus 100\u{a0}caractères.",
        ),
        (
            json!({"username": "x", "is_active": "oui"}),
            "is_active",
            "Must be a valid boolean.",
        ),
        (
            json!({"username": "x", "password": "a"}),
            "password",
            "Ce mot de passe est trop court. Il doit contenir au minimum 8 caractères.",
        ),
        (
            json!({"username": "x", "phone_number": "09120000010"}),
            "phone_number",
            "Ce numéro appartient déjà à un compte. Invitez la personne au lieu de créer un compte.",
        ),
    ] {
        let answer = app
            .call(Method::POST, USERS, &admin, body.clone())
            .await
            .expect(400);
        assert_eq!(answer[field], json!([message]), "{body}");
    }
    for token in [&app.access(DOCTOR).await, &token] {
        let refused = app
            .call(Method::POST, USERS, token, nurse())
            .await
            .expect(403);
        assert_eq!(
            refused["detail"],
            "Vous n'avez pas la permission d'effectuer cette action."
        );
    }
    let mut superuser = nurse();
    superuser["username"] = json!("root");
    superuser["role"] = json!("superuser");
    app.call(Method::POST, USERS, &admin, superuser)
        .await
        .expect(403);
}

#[tokio::test]
async fn cimef_a_changed_role_counts_at_once_and_a_doctor_keeps_a_licence() {
    let (app, _, admin) = clinic().await;
    let path = hire(&app, &admin, nurse()).await;
    let token = log_in(&app, "fatou", STRONG).await;
    // What the page always sends, unchanged, changes nothing.
    let same = json!({"department": "Accueil", "is_active": true});
    app.call(Method::PATCH, &path, &admin, same)
        .await
        .expect(200);
    app.get("/api/auth/me/", &token).await.expect(200);
    let body = json!({"role": "doctor", "license_number": "SN-1234"});
    let doctor = app.call(Method::PUT, &path, &admin, body).await.expect(200);
    assert_eq!(
        (&doctor["role"], &doctor["license_number"]),
        (&json!("doctor"), &json!("SN-1234"))
    );
    app.get("/api/auth/me/", &token).await.expect(401);
    let member = app
        .get("/api/auth/organization-members/?search=fatou@", &admin)
        .await
        .expect(200);
    assert!(member["results"][0]["doctor_approved_at"].is_string());
    // The doctor is no admin: not of others, not of themselves.
    let token = log_in(&app, "fatou", STRONG).await;
    app.call(Method::PATCH, &path, &token, json!({"role": "admin"}))
        .await
        .expect(403);
    let other = find(&app, &admin, "monshi").await;
    let foreign = format!("{USERS}{}/", other["id"]);
    app.call(Method::PATCH, &foreign, &token, json!({"role": "admin"}))
        .await
        .expect(404);
}
