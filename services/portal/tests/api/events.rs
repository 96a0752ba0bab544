use common_types::{
    ClinicRole::{Admin, Secretary},
    Language, PhoneNumber,
    events::{
        auth::UserRegistered,
        integrations::MessageDelivered,
        patient_access::Viewed,
        payments::{PaymentPurpose, PaymentRefunded, PaymentSettled},
        portal::PaymentRecorded,
    },
};
use serde_json::json;
use service_testing::{eventually, unsettled_events};
use uuid::Uuid;

use crate::support::{Clinic, DEADLINE};

fn refund(settled: &PaymentSettled, total: i64, version: i64) -> PaymentRefunded {
    PaymentRefunded {
        payment_id: settled.payment_id,
        aggregate_version: version,
        organization_id: settled.organization_id,
        refund_id: Uuid::now_v7(),
        purpose: PaymentPurpose::Invoice,
        invoice_id: settled.invoice_id,
        amount: total,
        total_refunded: total,
        currency: settled.currency,
        is_full: total >= settled.amount,
        refunded_at: settled.settled_at,
    }
}

/// The ledger's queue: an event that nobody takes is never published.
async fn with_ledger(clinic: &mut Clinic) {
    struct Ledger;
    #[async_trait::async_trait]
    impl service_events::EventHandler<PaymentRecorded> for Ledger {
        async fn handle(
            &self,
            _: &mut diesel_async::AsyncPgConnection,
            _: &common_types::Envelope,
            _: PaymentRecorded,
        ) -> Result<(), service_events::HandlerError> {
            Ok(())
        }
    }
    let stack = &clinic.service.stack;
    service_events::Consumers::new(
        "payments",
        stack.db.clone(),
        stack.broker.clone(),
        stack.clock.clone(),
    )
    .on::<PaymentRecorded>("portal", Ledger)
    .declare()
    .await
    .unwrap();
    clinic.service.start_worker();
}

#[tokio::test]
async fn inv5_a_settlement_pays_once_and_makes_one_key_set() {
    let mut clinic = Clinic::open().await;
    with_ledger(&mut clinic).await;
    let patient = clinic.patient().await;
    let (first, second) = (
        clinic.invoice(&patient, 33_000).await,
        clinic.invoice(&patient, 1_000).await,
    );
    assert_eq!(
        clinic.count("patient_accesses").await,
        0,
        "unpaid invoices have no keys"
    );
    let settled = clinic.settled(&first, 33_000);
    for _ in 0..5 {
        clinic.publish("payments", &settled).await;
    }
    clinic.until_status(&first, "paid").await;
    clinic
        .publish("payments", &clinic.settled(&second, 1_000))
        .await;
    clinic.until_status(&second, "paid").await;
    eventually(DEADLINE, async || {
        unsettled_events(&clinic.service.database.db).await == (0, 0)
    })
    .await;
    assert_eq!(
        clinic.count("recorded_payments").await,
        2,
        "five copies are one payment"
    );
    assert_eq!(clinic.count("patient_accesses").await, 1);
    let linked = clinic
        .count("invoices i JOIN patient_accesses a ON a.id = i.access_id WHERE i.status = 'paid'")
        .await;
    assert_eq!(linked, 2);
    eventually(DEADLINE, async || clinic.messages().await.len() == 2).await;
    let recorded = clinic.lines("SELECT payload->>'online_payment_id' AS line FROM outbox_events WHERE name = 'portal.payment_recorded' ORDER BY id").await;
    assert_eq!(
        (recorded.len(), recorded[0].as_str()),
        (2, settled.payment_id.to_string().as_str())
    );
    // An online payment is refunded by payments, not voided by hand.
    let list = clinic
        .get(Admin, "/api/payments/?payment_method=online")
        .await
        .ok(200);
    assert_eq!(list["count"], 2);
    let path = format!("/api/payments/{}/", list["results"][0]["id"]);
    clinic
        .send(Admin, reqwest::Method::DELETE, &path, json!({}))
        .await
        .ok(409);
}

#[tokio::test]
async fn a_refund_reopens_the_invoice_and_removes_nothing() {
    let mut clinic = Clinic::open().await;
    with_ledger(&mut clinic).await;
    let patient = clinic.patient().await;
    let invoice = clinic.invoice(&patient, 33_000).await;
    let settled = clinic.settled(&invoice, 33_000);
    // The refund overtakes its settlement: it waits for it.
    clinic
        .publish("payments", &refund(&settled, 10_000, 4))
        .await;
    clinic.publish("payments", &settled).await;
    clinic.until_status(&invoice, "partially_paid").await;
    clinic
        .publish("payments", &refund(&settled, 33_000, 5))
        .await;
    clinic.until_status(&invoice, "sent").await;
    clinic
        .publish("payments", &refund(&settled, 10_000, 4))
        .await;
    eventually(DEADLINE, async || {
        unsettled_events(&clinic.service.database.db).await == (0, 0)
    })
    .await;
    assert_eq!(clinic.status_of(&invoice).await, "sent");
    assert_eq!(clinic.count("patient_accesses WHERE is_active").await, 1);
    assert_eq!(
        clinic.count("invoices WHERE access_id IS NOT NULL").await,
        1
    );
    assert_eq!(
        clinic
            .count("recorded_payments WHERE refunded_amount = 33000 AND status = 'refunded'")
            .await,
        1
    );
}

#[tokio::test]
async fn a_payment_of_another_organisation_or_currency_is_no_payment() {
    let mut clinic = Clinic::open().await;
    with_ledger(&mut clinic).await;
    let patient = clinic.patient().await;
    let invoice = clinic.invoice(&patient, 1_000).await;
    let mut foreign = clinic.settled(&invoice, 1_000);
    foreign.organization_id = Uuid::now_v7();
    let mut other = clinic.settled(&invoice, 1_000);
    other.currency = common_types::Currency::Irr;
    clinic.publish("payments", &foreign).await;
    clinic.publish("payments", &other).await;
    eventually(DEADLINE, async || clinic.count("dead_letters").await == 2).await;
    assert_eq!(clinic.status_of(&invoice).await, "sent");
}

#[tokio::test]
async fn the_patient_sees_who_read_the_summary() {
    let mut clinic = Clinic::open().await;
    clinic.service.start_worker();
    let keys = clinic.keys(&clinic.patient().await).await;
    let (patient_user, doctor) = (Uuid::now_v7(), Uuid::now_v7());
    let now = clinic.service.stack.clock.now();
    let user = |id: Uuid, phone: Option<&str>, name: &str| UserRegistered {
        user_id: id,
        number: 7,
        aggregate_version: 1,
        phone: phone.map(|phone| PhoneNumber::parse(phone).unwrap()),
        username: None,
        full_name: name.into(),
        language: Language::Fr,
        is_active: true,
        is_superuser: false,
        memberships: vec![],
        created_at: now,
    };
    clinic
        .publish(
            "auth-otp",
            &user(patient_user, Some("+221771234567"), "Awa"),
        )
        .await;
    clinic
        .publish("auth-otp", &user(doctor, None, "Dr Ba"))
        .await;
    let viewed = |patient: Option<Uuid>| Viewed {
        view_id: Uuid::now_v7(),
        aggregate_version: 1,
        grant_id: Uuid::now_v7(),
        organization_id: Some(clinic.organization),
        doctor_id: doctor,
        patient_user_id: patient,
        has_summary: true,
        break_glass: false,
        viewed_at: now,
    };
    clinic
        .publish("patient-access", &viewed(Some(patient_user)))
        .await;
    clinic
        .publish("patient-access", &viewed(Some(Uuid::now_v7())))
        .await;
    clinic.publish("patient-access", &viewed(None)).await;
    let session = clinic.login(&keys).await;
    let list = async || {
        clinic
            .as_patient(&session, "/api/patients/portal/accesses/")
            .await
            .ok(200)
    };
    eventually(DEADLINE, async || {
        list().await["results"][0]["doctor_name"] == "Dr Ba"
    })
    .await;
    let found = list().await;
    assert_eq!(
        (&found["count"], &found["results"][0]["kind"]),
        (&json!(1), &json!("viewed"))
    );
}

#[tokio::test]
async fn deliveries_learn_what_became_of_them() {
    let mut clinic = Clinic::open().await;
    clinic.service.start_worker();
    clinic.keys(&clinic.patient().await).await;
    eventually(DEADLINE, async || {
        clinic
            .count("credential_deliveries WHERE state = 'sent'")
            .await
            == 2
    })
    .await;
    let messages = clinic.messages().await;
    let delivered = MessageDelivered {
        message_id: Uuid::now_v7(),
        aggregate_version: 2,
        organization_id: Some(clinic.organization),
        reference: messages[0]["reference"].as_str().map(str::to_owned),
        purpose: "credentials".into(),
        channel: "sms".into(),
        provider: "kavenegar".into(),
        delivered_at: clinic.service.stack.clock.now(),
    };
    clinic.publish("integrations", &delivered).await;
    eventually(DEADLINE, async || {
        clinic
            .count("credential_deliveries WHERE state = 'delivered'")
            .await
            == 1
    })
    .await;
}

#[tokio::test]
async fn a_silent_integrations_is_asked_again_with_the_same_key() {
    let mut clinic = Clinic::open().await;
    clinic.integrations.reset().await;
    let refusing = wiremock::Mock::given(wiremock::matchers::any())
        .respond_with(wiremock::ResponseTemplate::new(503))
        .up_to_n_times(2)
        .mount_as_scoped(&clinic.integrations)
        .await;
    let body = json!({"first_name": "Awa", "last_name": "Diop", "gender": "F", "phone_number": "+221771234567"});
    let patient = clinic.post(Secretary, "/api/patients/", body).await.ok(201);
    clinic.keys(&patient).await;
    clinic.service.start_worker();
    eventually(DEADLINE, async || {
        clinic
            .count("credential_deliveries WHERE attempts >= 1 AND last_error IS NOT NULL")
            .await
            == 1
    })
    .await;
    let first = clinic.messages().await[0]["idempotency_key"].clone();
    drop(refusing);
    let taken = wiremock::ResponseTemplate::new(200)
        .set_body_json(json!({"message_id": Uuid::now_v7(), "state": "queued"}));
    wiremock::Mock::given(wiremock::matchers::any())
        .respond_with(taken)
        .mount(&clinic.integrations)
        .await;
    clinic
        .service
        .clock
        .advance(chrono::TimeDelta::seconds(120));
    eventually(DEADLINE, async || {
        clinic
            .count("credential_deliveries WHERE state = 'sent'")
            .await
            == 1
    })
    .await;
    assert_eq!(
        clinic.messages().await.last().unwrap()["idempotency_key"],
        first
    );
}
