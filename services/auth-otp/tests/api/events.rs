//! What the service tells the others.

use std::time::Duration;

use auth_otp::AuthOtp;
use common_types::events::Envelope;
use common_types::events::auth::{
    CodeIssued, MemberChanged, OrganizationChanged, SessionRevoked, UserRegistered, UserUpdated,
    WorkspaceChanged,
};
use common_types::{ClinicRole, ContentRole};
use reqwest::Method;
use serde_json::json;
use service_testing::{eventually, published_events, unsettled_events};
use tokio_util::sync::CancellationToken;

use crate::harness::{App, E164, text};
use crate::invitations::{PATH, invite, organization, wish};
use crate::organizations::{ADMIN, DOCTOR, seeded};

/// What the worker has told by now, in order; nothing is left.
async fn published(app: &App) -> Vec<Envelope> {
    let names = [
        "auth.code_issued",
        "auth.user_registered",
        "auth.user_updated",
        "auth.organization_changed",
        "auth.member_changed",
        "auth.workspace_changed",
        "auth.session_revoked",
    ];
    let worker = service_http::cli::worker::<AuthOtp>(&app.state.stack, &app.state).unheard(&names);
    let cancel = CancellationToken::new();
    let running = tokio::spawn(worker.run(cancel.clone()));
    let db = app.db.db.clone();
    eventually(Duration::from_secs(60), async || {
        unsettled_events(&db).await == (0, 0)
    })
    .await;
    cancel.cancel();
    running.await.unwrap();
    published_events(&app.db.db).await
}

#[tokio::test]
async fn every_change_that_others_copy_is_told_once_and_in_order() {
    let app = App::start().await;
    let login = app.log_in("09121234567").await;
    let access = text(&login, "access");
    app.call(
        Method::PATCH,
        "/api/auth/me/",
        &access,
        json!({"full_name": "نام"}),
    )
    .await
    .expect(200);
    let body = json!({"name": "a", "slug": "a"});
    let made = app
        .call(Method::POST, "/api/auth/organizations/", &access, body)
        .await
        .expect(201);
    let body = json!({"name": "w", "slug": "w", "organization": made["id"]});
    let workspace = app
        .call(Method::POST, "/api/auth/workspaces/", &access, body)
        .await
        .expect(201);
    let path = format!("/api/auth/workspaces/{}/", workspace["id"]);
    app.call(Method::DELETE, &path, &access, json!(null))
        .await
        .expect(204);
    app.call(Method::POST, "/api/auth/logout/", &access, json!({}))
        .await
        .expect(204);

    let mut events = published(&app).await;
    // The code that opened the session comes first; it is told without phone and code.
    let issued = events.remove(0).open::<CodeIssued>().unwrap();
    assert_eq!(issued.purpose, "login_s4");
    let told: Vec<&str> = events.iter().map(|event| event.name.as_str()).collect();
    assert_eq!(
        told,
        [
            "auth.user_registered",
            "auth.user_updated",
            "auth.organization_changed",
            "auth.member_changed",
            "auth.user_updated",
            "auth.workspace_changed",
            "auth.workspace_changed",
            "auth.session_revoked",
        ]
    );
    let registered = events[0].open::<UserRegistered>().unwrap();
    assert_eq!(registered.phone.unwrap().e164(), E164);
    let updated = events[4].open::<UserUpdated>().unwrap();
    assert_eq!(
        (
            updated.aggregate_version,
            updated.memberships.len(),
            updated.full_name.as_str()
        ),
        (3, 1, "نام")
    );
    assert_eq!(events[2].open::<OrganizationChanged>().unwrap().slug, "a");
    assert!(events[3].open::<MemberChanged>().unwrap().is_active);
    let (first, last) = (
        events[5].open::<WorkspaceChanged>().unwrap(),
        events[6].open::<WorkspaceChanged>().unwrap(),
    );
    assert!(
        !first.is_deleted && last.is_deleted && last.aggregate_version > first.aggregate_version
    );
    let revoked = events[7].open::<SessionRevoked>().unwrap();
    assert_eq!(
        revoked.id.to_string(),
        text(&crate::harness::claims(&access), "sid")
    );
    for event in &events {
        let shown = event.payload.to_string();
        assert!(
            !shown.contains("rt1.") && !shown.contains("code"),
            "{shown}"
        );
    }
    drop(app.prefix.clone());
}

#[tokio::test]
async fn an_accepted_invitation_is_told_as_a_member_and_as_a_user() {
    let app = seeded().await;
    let admin = app.access(ADMIN).await;
    let number = organization(&app, &admin).await;
    let made = invite(&app, &admin, wish(&number)).await;
    let invited = app.access("09351112233").await;
    let before = published(&app).await.len();
    let accept = format!("{PATH}{}/accept/", text(&made, "id"));
    app.call(Method::POST, &accept, &invited, json!(null))
        .await
        .expect(200);
    let told = published(&app).await.split_off(before);
    let names: Vec<&str> = told.iter().map(|event| event.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "auth.member_changed",
            "auth.user_updated",
            "auth.session_revoked"
        ]
    );
    let member = told[0].open::<MemberChanged>().unwrap();
    let user = told[1].open::<UserUpdated>().unwrap();
    assert!(member.is_active && member.user_id == user.user_id);
    let standing = &user.memberships[0];
    assert_eq!(
        (
            standing.clinic_role.map(ClinicRole::as_str),
            standing.content_role.map(ContentRole::as_str)
        ),
        (Some("doctor"), Some("writer"))
    );
    assert_eq!(member.organization_id, standing.organization_id);
    assert_eq!(user.aggregate_version, 2);
}

#[tokio::test]
async fn a_suspended_and_a_reopened_account_are_told() {
    let app = seeded().await;
    let admin = app.access(ADMIN).await;
    let doctor = app.log_in(DOCTOR).await;
    let sid = text(&crate::harness::claims(&text(&doctor, "access")), "sid");
    let me = app
        .get("/api/auth/me/", &text(&doctor, "access"))
        .await
        .expect(200);
    let before = published(&app).await.len();
    let path = format!("/api/auth/users/{}/", me["id"]);
    for step in ["deactivate/", "activate/"] {
        app.call(Method::POST, &format!("{path}{step}"), &admin, json!(null))
            .await
            .expect(200);
    }
    let told = published(&app).await.split_off(before);
    let states: Vec<(i64, bool)> = told
        .iter()
        .filter(|event| event.name == "auth.user_updated")
        .map(|event| event.open::<UserUpdated>().unwrap())
        .map(|user| (user.aggregate_version, user.is_active))
        .collect();
    let (closed, opened) = (states.first().unwrap(), states.last().unwrap());
    assert!(!closed.1 && opened.1 && opened.0 > closed.0, "{states:?}");
    let ended: Vec<String> = told
        .iter()
        .filter(|event| event.name == "auth.session_revoked")
        .map(|event| event.open::<SessionRevoked>().unwrap().id.to_string())
        .collect();
    assert!(ended.contains(&sid), "{ended:?}");
}

#[tokio::test]
async fn a_suspended_membership_is_told() {
    let app = seeded().await;
    let admin = app.access(ADMIN).await;
    let list = app
        .get("/api/auth/organization-members/?clinic_role=doctor", &admin)
        .await
        .expect(200);
    let member = &list["results"][0];
    let before = published(&app).await.len();
    let path = format!("/api/auth/organization-members/{}/", member["id"]);
    app.call(Method::PATCH, &path, &admin, json!({"is_active": false}))
        .await
        .expect(200);
    let told = published(&app).await.split_off(before);
    let changed = told
        .iter()
        .find(|event| event.name == "auth.member_changed")
        .unwrap();
    assert!(!changed.open::<MemberChanged>().unwrap().is_active);
    let user = told
        .iter()
        .find(|event| event.name == "auth.user_updated")
        .unwrap();
    assert!(user.open::<UserUpdated>().unwrap().memberships.is_empty());
}
