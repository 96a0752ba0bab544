//! Accounts of the staff: who closes, promotes, takes over and deletes whom (cimef.md 2.1).

use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::text;
use crate::staff_users::{STRONG, USERS, clinic, find, hire, log_in, nurse};

#[tokio::test]
async fn cimef_a_closed_account_is_out_at_once() {
    let (app, _, admin) = clinic().await;
    let path = hire(&app, &admin, nurse()).await;
    let login = app
        .post(
            "/api/auth/token/",
            json!({"username": "fatou", "password": STRONG}),
        )
        .await
        .expect(200);
    let closed = app
        .call(
            Method::POST,
            &format!("{path}deactivate/"),
            &admin,
            Value::Null,
        )
        .await
        .expect(200);
    assert_eq!(closed["is_active"], false);
    app.get("/api/auth/me/", &text(&login, "access"))
        .await
        .expect(401);
    let refresh = json!({"refresh": text(&login, "refresh")});
    app.post("/api/auth/token/refresh/", refresh)
        .await
        .expect(401);
    let again = json!({"username": "fatou", "password": STRONG});
    app.post("/api/auth/token/", again.clone())
        .await
        .expect(401);
    app.call(
        Method::PATCH,
        &path,
        &admin,
        json!({"is_active": true, "department": "Accueil"}),
    )
    .await
    .expect(200);
    app.post("/api/auth/token/", again).await.expect(200);
    let list = app
        .get(&format!("{USERS}?is_active=false"), &admin)
        .await
        .expect(200);
    assert_eq!(list["count"], 0);
}

#[tokio::test]
async fn cimef_nobody_disables_promotes_or_deletes_themselves() {
    let (app, superuser, admin) = clinic().await;
    for (token, name) in [(&admin, "awa.admin"), (&superuser, "modir")] {
        let own = find(&app, token, name).await;
        let path = format!("{USERS}{}/", own["id"]);
        for body in [json!({"is_active": false}), json!({"role": "secretary"})] {
            let answer = app
                .call(Method::PATCH, &path, token, body)
                .await
                .expect(400);
            assert!(answer["detail"].is_string());
        }
        app.call(Method::DELETE, &path, token, Value::Null)
            .await
            .expect(400);
    }
    // A superuser is out of an admin's sight.
    let root = find(&app, &superuser, "modir").await;
    let path = format!("{USERS}{}/", root["id"]);
    app.get(&path, &admin).await.expect(404);
    app.call(Method::PATCH, &path, &admin, json!({"role": "secretary"}))
        .await
        .expect(404);
}

/// Belonging to a clinic must not hand one's account over to it.
#[tokio::test]
async fn an_admin_takes_over_no_account_that_the_clinic_did_not_make() {
    let (app, _, admin) = clinic().await;
    let body = json!({"phone_number": "09350000077", "clinic_role": "secretary",
        "organization": app.get("/api/auth/organizations/", &admin).await.expect(200)["results"][0]["id"]});
    let token = app.access("09350000077").await;
    let member = app
        .call(
            Method::POST,
            "/api/auth/organization-members/",
            &admin,
            body,
        )
        .await
        .expect(201);
    let path = format!("{USERS}{}/", member["user"]["id"]);
    for body in [
        json!({"password": STRONG}),
        json!({"username": "mine"}),
        json!({"email": "me@evil.example"}),
    ] {
        app.call(Method::PATCH, &path, &admin, body)
            .await
            .expect(403);
    }
    app.call(
        Method::PATCH,
        &path,
        &admin,
        json!({"phone_number": "09350000078"}),
    )
    .await
    .expect(400);
    // What the clinic may do is suspend: the person goes on elsewhere.
    let suspended = app
        .call(Method::PATCH, &path, &admin, json!({"is_active": false}))
        .await
        .expect(200);
    assert_eq!(suspended["is_active"], false);
    app.get("/api/auth/me/", &token).await.expect(401);
    let me = app
        .get("/api/auth/me/", &app.access("09350000077").await)
        .await
        .expect(200);
    assert_eq!(
        (&me["is_active"], &me["clinic_role"], &me["organization"]),
        (&json!(true), &Value::Null, &Value::Null)
    );
    app.call(Method::PATCH, &path, &admin, json!({"is_active": true}))
        .await
        .expect(200);
    let me = app
        .get("/api/auth/me/", &app.access("09350000077").await)
        .await
        .expect(200);
    assert_eq!(me["clinic_role"], "secretary");
    app.call(Method::DELETE, &path, &admin, Value::Null)
        .await
        .expect(204);
    app.get(&path, &admin).await.expect(404);
    app.access("09350000077").await;
}

#[tokio::test]
async fn cimef_a_deleted_account_is_gone_from_the_list_and_its_name_is_free() {
    let (app, superuser, admin) = clinic().await;
    let path = hire(&app, &admin, nurse()).await;
    let token = log_in(&app, "fatou", STRONG).await;
    app.call(Method::DELETE, &path, &admin, Value::Null)
        .await
        .expect(204);
    for caller in [&admin, &superuser] {
        app.get(&path, caller).await.expect(404);
    }
    app.get("/api/auth/me/", &token).await.expect(401);
    app.call(Method::DELETE, &path, &admin, Value::Null)
        .await
        .expect(404);
    app.call(Method::POST, USERS, &admin, nurse())
        .await
        .expect(201);
    log_in(&app, "fatou", STRONG).await;
}

#[tokio::test]
async fn two_admins_cannot_close_each_other_at_once() {
    let (app, superuser, awa) = clinic().await;
    let mut second = nurse();
    second["role"] = json!("admin");
    app.call(Method::POST, USERS, &awa, second)
        .await
        .expect(201);
    let fatou = log_in(&app, "fatou", STRONG).await;
    // The superuser of the sample leaves the clinic, so that these two are its only admins.
    let modir = app
        .get("/api/auth/organization-members/?search=0000000", &superuser)
        .await
        .expect(200);
    let path = format!(
        "/api/auth/organization-members/{}/",
        modir["results"][0]["id"]
    );
    app.call(
        Method::PATCH,
        &path,
        &superuser,
        json!({"clinic_role": null}),
    )
    .await
    .expect(200);
    let (one, two) = (
        find(&app, &awa, "awa.admin").await,
        find(&app, &awa, "fatou").await,
    );
    let (first, second) = (
        format!("{USERS}{}/deactivate/", two["id"]),
        format!("{USERS}{}/deactivate/", one["id"]),
    );
    let (a, b) = tokio::join!(
        app.call(Method::POST, &first, &awa, Value::Null),
        app.call(Method::POST, &second, &fatou, Value::Null)
    );
    let mut statuses = [a.status, b.status];
    statuses.sort_unstable();
    assert_eq!(statuses[0], 200);
    assert!(matches!(statuses[1], 401 | 403), "{statuses:?}");
}

#[tokio::test]
async fn cimef_a_password_that_an_admin_sets_is_told_audited_and_ends_the_sessions() {
    let (app, superuser, admin) = clinic().await;
    let mut person = nurse();
    person["phone_number"] = json!("09121110000");
    let path = hire(&app, &admin, person).await;
    let before = log_in(&app, "fatou", STRONG).await;
    // The page knows no step-up: the admin's password session is enough, and everybody hears of it.
    let body = json!({"password": "tournesol-orange-47"});
    app.call(Method::PATCH, &path, &admin, body)
        .await
        .expect(200);
    app.get("/api/auth/me/", &before).await.expect(401);
    log_in(&app, "fatou", "tournesol-orange-47").await;
    auth_otp::alert::send_due(&app.state, app.state.now())
        .await
        .unwrap();
    let told = app.last_sms("+989121110000").await;
    assert!(text(&told, "idempotency_key").starts_with("alert:"));
    let trail = app
        .get("/api/admin/auth-otp/audit/", &superuser)
        .await
        .expect(200);
    let row = trail["results"]
        .as_array()
        .unwrap()
        .iter()
        .find(|row| row["action"] == "user.changed" && row["details"]["password"] == true)
        .unwrap_or_else(|| panic!("{trail}"));
    assert_eq!(row["actor"], crate::harness::claims(&admin)["sub"], "{row}");
    assert!(!trail.to_string().contains("tournesol"));
}
