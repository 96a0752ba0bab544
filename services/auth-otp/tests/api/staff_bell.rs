//! CIMEF's bell (cimef.md 2.1).

use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{keys, send};
use crate::organizations::DOCTOR;
use crate::staff_users::{PASSWORD, clinic, log_in};

#[tokio::test]
async fn cimef_admins_are_notified_of_staff_logins() {
    let (app, superuser, admin) = clinic().await;
    log_in(&app, "doctor", PASSWORD).await;
    log_in(&app, "modir", PASSWORD).await;
    let list = app
        .get("/api/auth/notifications/", &admin)
        .await
        .expect(200);
    assert_eq!(keys(&list), ["results", "unread_count"]);
    assert_eq!(list["unread_count"], 2, "awa and the doctor, no superuser");
    let newest = &list["results"][0];
    assert_eq!(
        keys(newest),
        [
            "id",
            "ip_address",
            "is_read",
            "login_time",
            "user",
            "user_name",
            "user_role"
        ]
    );
    assert_eq!(
        (
            &newest["user_name"],
            &newest["user_role"],
            &newest["is_read"]
        ),
        (&json!("دکتر مریم رضایی"), &json!("Docteur"), &json!(false))
    );
    let read = format!("/api/auth/notifications/{}/read/", newest["id"]);
    let ok = app
        .call(Method::POST, &read, &admin, Value::Null)
        .await
        .expect(200);
    assert_eq!(ok, json!({"status": "ok"}));
    let list = app
        .get("/api/auth/notifications/", &superuser)
        .await
        .expect(200);
    assert_eq!(
        (&list["unread_count"], &list["results"][0]["is_read"]),
        (&json!(1), &json!(true))
    );
    app.call(
        Method::POST,
        "/api/auth/notifications/read-all/",
        &admin,
        Value::Null,
    )
    .await
    .expect(200);
    let list = app
        .get("/api/auth/notifications/", &admin)
        .await
        .expect(200);
    assert_eq!(list["unread_count"], 0);
    let missing = app
        .call(
            Method::POST,
            "/api/auth/notifications/999999/read/",
            &admin,
            Value::Null,
        )
        .await
        .expect(404);
    assert_eq!(missing["detail"], "Notification introuvable");
    let doctor = app.access(DOCTOR).await;
    for (method, path) in [
        (Method::GET, "/api/auth/notifications/"),
        (Method::POST, "/api/auth/notifications/read-all/"),
        (Method::POST, read.as_str()),
    ] {
        let refused = app
            .call(method, path, &doctor, Value::Null)
            .await
            .expect(403);
        assert_eq!(refused["detail"], "Accès refusé");
    }
    // Another clinic's admin sees none of it.
    let own = json!({"name": "Autre", "slug": "autre"});
    let stranger = app.access("09350000123").await;
    app.call(Method::POST, "/api/auth/organizations/", &stranger, own)
        .await
        .expect(201);
    app.get("/api/auth/notifications/", &stranger)
        .await
        .expect(403);
    send(app.request(Method::GET, "/api/auth/notifications/"))
        .await
        .expect(401);
}
