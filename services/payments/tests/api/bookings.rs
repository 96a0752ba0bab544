//! What portal recorded at the desk stands in the ledger (decision 18).

use chrono::Utc;
use common_types::{
    Currency,
    events::{
        auth::UserUpdated,
        portal::{PaymentAmended, PaymentRecorded, PaymentVoided},
    },
};
use serde_json::Value;
use service_testing::{eventually, unsettled_events};
use uuid::Uuid;

use crate::support::{Clinic, PATIENCE};

struct Desk {
    id: Uuid,
    invoice: Uuid,
    patient: Uuid,
}

impl Desk {
    fn new() -> Self {
        Self {
            id: Uuid::now_v7(),
            invoice: Uuid::now_v7(),
            patient: Uuid::now_v7(),
        }
    }

    fn recorded(&self, clinic: &Clinic, amount: i64, online: Option<Uuid>) -> PaymentRecorded {
        PaymentRecorded {
            recorded_payment_id: self.id,
            aggregate_version: 1,
            organization_id: clinic.organization,
            invoice_id: self.invoice,
            patient_id: self.patient,
            amount,
            currency: Currency::Xof,
            method: "cash".into(),
            online_payment_id: online,
            recorded_by: None,
            recorded_at: Utc::now(),
        }
    }

    fn amended(&self, clinic: &Clinic, version: i64, amount: i64) -> PaymentAmended {
        PaymentAmended {
            recorded_payment_id: self.id,
            aggregate_version: version,
            organization_id: clinic.organization,
            invoice_id: self.invoice,
            patient_id: self.patient,
            previous_amount: 0,
            amount,
            currency: Currency::Xof,
            method: "card".into(),
            amended_by: Uuid::now_v7(),
            amended_at: Utc::now(),
        }
    }

    fn voided(&self, clinic: &Clinic, version: i64) -> PaymentVoided {
        PaymentVoided {
            recorded_payment_id: self.id,
            aggregate_version: version,
            organization_id: clinic.organization,
            invoice_id: self.invoice,
            patient_id: self.patient,
            amount: 0,
            currency: Currency::Xof,
            voided_by: None,
            voided_at: Utc::now(),
        }
    }
}

async fn applied(clinic: &Clinic, events: i64) {
    eventually(PATIENCE, async || {
        clinic.number("SELECT count(*) FROM inbox_events").await == events
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn y06_recorded_payments_are_booked_reversed_and_voided() {
    let mut clinic = Clinic::new().await;
    clinic.service.start_worker();
    let desk = Desk::new();
    clinic
        .emit("portal", &desk.recorded(&clinic, 20_000, None))
        .await;
    applied(&clinic, 1).await;
    assert_eq!(
        (
            clinic.balance("till:cash").await,
            clinic.balance("invoice_receipts").await
        ),
        (-20_000, 20_000)
    );
    clinic
        .emit("portal", &desk.amended(&clinic, 2, 25_000))
        .await;
    applied(&clinic, 2).await;
    assert_eq!(
        (
            clinic.balance("till:cash").await,
            clinic.balance("till:card").await
        ),
        (0, -25_000)
    );
    assert_eq!(clinic.balance("invoice_receipts").await, 25_000);
    clinic.emit("portal", &desk.voided(&clinic, 3)).await;
    applied(&clinic, 3).await;
    assert_eq!(
        (
            clinic.balance("till:card").await,
            clinic.balance("invoice_receipts").await
        ),
        (0, 0)
    );
    // Nothing was edited: two bookings, two reversals.
    assert_eq!(
        clinic.number("SELECT count(*) FROM ledger_transfers").await,
        4
    );
    clinic.books_are_right().await;
    assert_eq!(unsettled_events(clinic.db()).await.1, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn y06_events_out_of_order_end_the_same() {
    let mut clinic = Clinic::new().await;
    clinic.service.start_worker();
    let desk = Desk::new();
    clinic
        .emit("portal", &desk.amended(&clinic, 2, 25_000))
        .await;
    applied(&clinic, 1).await;
    clinic
        .emit("portal", &desk.recorded(&clinic, 20_000, None))
        .await;
    clinic
        .emit("portal", &desk.amended(&clinic, 2, 25_000))
        .await;
    applied(&clinic, 3).await;
    assert_eq!(clinic.balance("invoice_receipts").await, 25_000);
    // What was paid online is in the ledger since it was settled.
    let online = Desk::new();
    clinic
        .emit(
            "portal",
            &online.recorded(&clinic, 99_000, Some(Uuid::now_v7())),
        )
        .await;
    applied(&clinic, 4).await;
    assert_eq!(clinic.balance("invoice_receipts").await, 25_000);
    clinic.books_are_right().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn y07_the_list_shows_the_payers_phone_as_people_write_it() {
    let mut clinic = Clinic::new().await;
    clinic.service.start_worker();
    let user = |version: i64, phone: &str| UserUpdated {
        user_id: clinic.doctor,
        number: 1,
        aggregate_version: version,
        phone: Some(common_types::PhoneNumber::parse(phone).unwrap()),
        username: None,
        full_name: "Dr".into(),
        language: common_types::Language::Fa,
        is_active: true,
        is_superuser: false,
        memberships: Vec::new(),
        created_at: Utc::now(),
    };
    clinic.emit("auth-otp", &user(2, "09120000001")).await;
    clinic.emit("auth-otp", &user(1, "09129999999")).await;
    applied(&clinic, 2).await;
    clinic.charge(20_000).await;
    let list: Value = clinic
        .get("/crazyminer/payment/list/", &clinic.doctor_token())
        .await
        .json()
        .await
        .unwrap();
    assert_eq!(list["results"][0]["user_phone"], "09120000001");
}
