use std::time::Duration;

use chrono::{TimeDelta, Utc};
use common_types::{
    Envelope, Event, Language, PhoneNumber,
    events::{
        auth::UserRegistered,
        chat::SummaryCreated,
        patient_access::{Denied, Granted, Revoked, Viewed},
    },
};
use diesel_async::AsyncPgConnection;
use serde_json::json;
use service_events::{Consumers, EventHandler, HandlerError, outbox};
use service_testing::{eventually, published_events};
use uuid::Uuid;

use crate::support::{CODE, Clinic};

async fn emitted<E: Event>(clinic: &Clinic) -> Vec<E> {
    let all: Vec<Envelope> = published_events(&clinic.service.database.db).await;
    all.iter()
        .filter(|envelope| envelope.name == E::NAME)
        .map(|envelope| envelope.open().unwrap())
        .collect()
}

/// What the portal hears.
struct Portal;

macro_rules! hears {
    ($($event:ty),+) => {$(
        #[async_trait::async_trait]
        impl EventHandler<$event> for Portal {
            async fn handle(&self, _: &mut AsyncPgConnection, _: &Envelope, _: $event) -> Result<(), HandlerError> {
                Ok(())
            }
        }
    )+};
}
hears!(Granted, Denied, Viewed, Revoked);

/// Starts the worker, with the portal's queue there: an event that nobody takes is never published.
async fn start_worker(clinic: &mut Clinic) {
    let stack = &clinic.service.stack;
    Consumers::new(
        "portal",
        stack.db.clone(),
        stack.broker.clone(),
        stack.clock.clone(),
    )
    .on::<Granted>("patient-access", Portal)
    .on::<Denied>("patient-access", Portal)
    .on::<Viewed>("patient-access", Portal)
    .on::<Revoked>("patient-access", Portal)
    .declare()
    .await
    .unwrap();
    clinic.service.start_worker();
}

/// Publishes an event as its owner would.
async fn publish<E: Event>(clinic: &Clinic, event: &E) {
    clinic
        .service
        .stack
        .db
        .transaction(async |conn| {
            outbox::emit(conn, "elsewhere", event, Utc::now()).await?;
            Ok::<_, service_db::DbError>(())
        })
        .await
        .unwrap();
    clinic.service.stack.outbox.wake();
}

#[tokio::test(flavor = "multi_thread")]
async fn p05_each_step_emits_its_event_without_the_phone_number() {
    let mut clinic = Clinic::open().await;
    start_worker(&mut clinic).await;
    let (token, grant) = clinic.grant().await;
    clinic.data(&token).await;
    clinic
        .post(
            "/crazyminer/patient/revoke/",
            &clinic.patient_token(),
            json!({"grant_id": grant}),
        )
        .await;
    eventually(Duration::from_secs(20), async || {
        !emitted::<Revoked>(&clinic).await.is_empty()
    })
    .await;
    let (granted, viewed, revoked) = (
        emitted::<Granted>(&clinic).await,
        emitted::<Viewed>(&clinic).await,
        emitted::<Revoked>(&clinic).await,
    );
    assert_eq!((granted.len(), viewed.len(), revoked.len()), (1, 1, 1));
    assert_eq!(granted[0].grant_id, grant);
    assert_eq!(granted[0].doctor_id, clinic.doctor);
    assert_eq!(granted[0].patient_user_id, Some(clinic.patient));
    assert_eq!(granted[0].organization_id, Some(clinic.organization));
    assert_eq!(viewed[0].grant_id, grant);
    assert!(viewed[0].has_summary);
    assert_eq!(revoked[0].revoked_by, "patient");
    assert!(revoked[0].aggregate_version > granted[0].aggregate_version);
    for envelope in published_events(&clinic.service.database.db).await {
        let text = serde_json::to_string(&envelope).unwrap();
        assert!(
            !text.contains("9123456789") && !text.contains(&token),
            "{}",
            envelope.name
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn p05_a_request_that_comes_to_nothing_is_told_once() {
    let mut clinic = Clinic::open().await;
    let request = clinic.request().await;
    for _ in 0..4 {
        clinic.verify(request, "000000").await;
    }
    clinic.pass(61);
    let overdue = clinic.request().await;
    clinic.pass(400);
    start_worker(&mut clinic).await;
    eventually(Duration::from_secs(20), async || {
        emitted::<Denied>(&clinic).await.len() == 2
    })
    .await;
    let denied = emitted::<Denied>(&clinic).await;
    let reason = |id: Uuid| {
        denied
            .iter()
            .find(|event| event.request_id == id)
            .map(|event| event.reason.clone())
    };
    assert_eq!(reason(request).as_deref(), Some("wrong_code"));
    assert_eq!(reason(overdue).as_deref(), Some("expired"));
    assert_eq!(clinic.verify(overdue, CODE).await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn p06_a_newer_summary_drops_the_cached_one() {
    let mut clinic = Clinic::open().await;
    start_worker(&mut clinic).await;
    let (token, _) = clinic.grant().await;
    clinic.data(&token).await;
    clinic.with_summary("خلاصهٔ دوم").await;
    assert_eq!(clinic.data(&token).await.body["from_cache"], true);
    let event = SummaryCreated {
        summary_id: Uuid::now_v7(),
        aggregate_version: 1,
        organization_id: None,
        room_id: Uuid::now_v7(),
        patient_user_id: clinic.patient,
        created_at: Utc::now() + TimeDelta::seconds(1),
    };
    publish(&clinic, &event).await;
    eventually(Duration::from_secs(20), async || {
        clinic.data(&token).await.body["latest_summary"]["summary_text"] == "خلاصهٔ دوم"
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn p01_a_person_known_by_event_needs_no_call() {
    let mut clinic = Clinic::open().await;
    start_worker(&mut clinic).await;
    let person = Uuid::now_v7();
    let event = UserRegistered {
        user_id: person,
        number: 12,
        aggregate_version: 3,
        phone: Some(PhoneNumber::parse("09350000000").unwrap()),
        username: None,
        full_name: "علی".into(),
        language: Language::Fr,
        is_active: true,
        is_superuser: false,
        memberships: vec![],
        created_at: Utc::now(),
    };
    publish(&clinic, &event).await;
    eventually(Duration::from_secs(20), async || {
        let mut conn = clinic.service.database.db.get().await.unwrap();
        let found = diesel_async::RunQueryDsl::execute(
            diesel::sql_query(format!(
                "SELECT 1 FROM people WHERE id = '{person}' AND language = 'fr'"
            )),
            &mut conn,
        );
        found.await.unwrap() == 1
    })
    .await;
    let token = clinic.token_of(Uuid::now_v7());
    let made = clinic
        .post(
            "/crazyminer/patient/request/",
            &token,
            json!({"patient_phone": "09350000000"}),
        )
        .await;
    assert_eq!(made.status, 201);
    assert_eq!(
        clinic.codes.lock().sent.last().unwrap().language,
        Language::Fr,
        "written to in their language"
    );
    let asked = clinic.auth_otp.received_requests().await.unwrap();
    assert!(
        !asked
            .iter()
            .any(|request| request.url.path().contains("9350000000"))
    );
}
