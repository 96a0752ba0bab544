use std::time::Duration;

use chrono::Utc;
use common_types::{
    ClinicRole, Language, PhoneNumber,
    events::auth::{UserMembership, UserRegistered, UserUpdated},
};
use reqwest::StatusCode;
use service_events::outbox;
use service_testing::eventually;
use uuid::Uuid;

use crate::support::{Clinic, body};

#[tokio::test(flavor = "multi_thread")]
async fn people_are_copied_from_events_and_only_newer_versions_count() {
    let mut clinic = Clinic::open().await;
    clinic.service.start_worker();
    let (id, organization) = (Uuid::now_v7(), Uuid::now_v7());
    let registered = |version: i64, name: &str| UserRegistered {
        user_id: id,
        number: 77,
        aggregate_version: version,
        phone: Some(PhoneNumber::parse("09121234567").unwrap()),
        username: None,
        full_name: name.into(),
        language: Language::Fa,
        is_active: true,
        is_superuser: false,
        memberships: vec![UserMembership {
            organization_id: organization,
            clinic_role: Some(ClinicRole::Doctor),
            content_role: None,
        }],
        created_at: Utc::now(),
    };
    let updated = |version: i64, name: &str| {
        let event = registered(version, name);
        UserUpdated {
            user_id: event.user_id,
            number: event.number,
            aggregate_version: event.aggregate_version,
            phone: event.phone,
            username: event.username,
            full_name: event.full_name,
            language: event.language,
            is_active: event.is_active,
            is_superuser: event.is_superuser,
            memberships: event.memberships,
            created_at: event.created_at,
        }
    };
    let mut conn = clinic.service.stack.db.get().await.unwrap();
    let now = Utc::now();
    outbox::emit(&mut conn, "auth-otp", &updated(3, "Newest"), now)
        .await
        .unwrap();
    outbox::emit(&mut conn, "auth-otp", &registered(1, "Oldest"), now)
        .await
        .unwrap();
    outbox::emit(&mut conn, "auth-otp", &updated(2, "Older"), now)
        .await
        .unwrap();
    drop(conn);
    clinic.service.stack.outbox.wake();
    let token = clinic.service.issuer.service("patient-access");
    let seen = || async {
        let response = clinic
            .service
            .get("/api/users/by-phone/09121234567/")
            .bearer_auth(&token)
            .send()
            .await
            .unwrap();
        (response.status() == StatusCode::OK).then_some(response)
    };
    eventually(Duration::from_secs(15), async || {
        service_testing::unsettled_events(&clinic.service.stack.db)
            .await
            .0
            == 0
    })
    .await;
    eventually(Duration::from_secs(15), async || match seen().await {
        Some(response) => body(response).await["username"] == "Newest",
        None => false,
    })
    .await;
}
