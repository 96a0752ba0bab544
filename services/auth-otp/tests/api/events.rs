//! What the service tells the others.

use std::time::Duration;

use auth_otp::AuthOtp;
use common_types::events::auth::{
    MemberChanged, OrganizationChanged, SessionRevoked, UserRegistered, UserUpdated,
    WorkspaceChanged,
};
use reqwest::Method;
use serde_json::json;
use service_testing::{eventually, published_events, unsettled_events};
use tokio_util::sync::CancellationToken;

use crate::harness::{App, E164, text};

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

    let names = [
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
    eventually(Duration::from_secs(20), async || {
        unsettled_events(&db).await == (0, 0)
    })
    .await;
    cancel.cancel();
    running.await.unwrap();

    let events = published_events(&app.db.db).await;
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
