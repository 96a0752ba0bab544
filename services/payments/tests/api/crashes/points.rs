//! The points at which the worker settles, gives back and books, and at which `serve` takes a refund or a wallet pays.

use common_types::Currency;
use common_types::events::portal::PaymentRecorded;
use payments::{payment, refund};
use serde_json::{Value, json};
use service_testing::eventually;
use uuid::Uuid;
use wiremock::MockServer;

use super::{
    sound,
    victim::{Victim, answered, issuer},
};
use crate::{
    refunds::{paid_charge, paid_invoice, refund as ask_refund},
    support::{Clinic, PATIENCE},
};

/// All of them.
pub(super) const DRIVEN: [&[&str]; 6] = [&SETTLE, &GIVE_BACK, &TAKE_BACK, &RESERVE, &WALLET, &BOOK];
/// Where the worker dies while it asks and settles.
const SETTLE: [&str; 8] = [
    "check.after_status",
    "settle.after_status",
    "ledger.after_transfer",
    "ledger.after_entries",
    "settle.after_ledger",
    "settle.after_event",
    "check.before_commit",
    "check.after_commit",
];
/// Where the worker dies while it gives back.
const GIVE_BACK: [&str; 4] = [
    "refund.before_provider",
    "refund.after_provider",
    "refund.after_ledger",
    "refund.after_payment",
];
/// Where the worker dies while it takes a refused refund back.
const TAKE_BACK: [&str; 1] = ["refund.after_release"];
/// Where `serve` dies while it sets a refund's money aside.
const RESERVE: [&str; 2] = ["refund.after_reserve", "refund.after_insert"];
/// Where `serve` dies while a wallet pays.
const WALLET: [&str; 2] = ["wallet.after_payment", "wallet.before_commit"];
/// Where the worker dies while it books what portal recorded.
const BOOK: [&str; 1] = ["booking.before_commit"];

/// The worker runs into the point and dies there.
async fn killed(clinic: &Clinic, jwks: &MockServer, point: &str) {
    let victim = Victim::start(clinic, jwks, "worker", point).await;
    victim.dies(point).await;
}

/// `serve` runs into the point with this request and dies there.
async fn killed_at(
    (clinic, jwks): (&Clinic, &MockServer),
    (path, token): (&str, &str),
    point: &str,
    body: &Value,
) {
    let victim = Victim::start(clinic, jwks, "serve", point).await;
    victim.post(path, token, point, body).await;
    victim.dies(point).await;
}

/// The same request twice more: it is done now, and its answer stays the same (INV6).
async fn done_once(
    clinic: &Clinic,
    (path, token): (&str, &str),
    point: &str,
    body: &Value,
) -> Value {
    let (status, first) = answered(clinic, (path, token), point, body).await;
    assert_eq!(status, 201, "{point}");
    let again = answered(clinic, (path, token), point, body).await;
    assert_eq!(again, (status, first.clone()), "{point}: INV6");
    serde_json::from_slice(&first).unwrap()
}

/// A refund of 4,000 is asked for, the worker dies at the point, and the next look ends it. Answers what the ledger was when
/// it was asked for.
async fn killed_giving_back(
    clinic: &Clinic,
    jwks: &MockServer,
    payment: &str,
    point: &str,
) -> (Uuid, String) {
    let body = json!({"amount": 4_000, "reason": "part"});
    let asked = ask_refund(clinic, payment, point, &body).await;
    let made: Value = asked.json().await.unwrap();
    let id = made["id"].as_str().unwrap();
    let before = clinic.now_and_fingerprint().await;
    clinic.due("refunds", id).await;
    killed(clinic, jwks, point).await;
    clinic.due("refunds", id).await;
    refund::run_due_refunds(&clinic.service.state)
        .await
        .unwrap();
    before
}

#[tokio::test(flavor = "multi_thread")]
async fn q_m4_killed_while_settling_it_credits_once() {
    let clinic = Clinic::new().await;
    let jwks = issuer(&clinic).await;
    for (number, point) in SETTLE.into_iter().enumerate() {
        let before = clinic.now_and_fingerprint().await;
        let charge = clinic.charge(20_000 + i64::try_from(number).unwrap()).await;
        let id = charge["transaction_id"].as_str().unwrap();
        clinic
            .decide(charge["payment_url"].as_str().unwrap(), "approve")
            .await;
        clinic.due("payments", id).await;
        killed(&clinic, &jwks, point).await;
        let wallet = clinic.balance("wallet").await;
        clinic.due("payments", id).await;
        payment::run_due_checks(&clinic.service.state)
            .await
            .unwrap();
        assert_eq!(clinic.status_of(id).await, "completed", "{point}");
        let expected: i64 = (0..=number)
            .map(|number| 20_000 + i64::try_from(number).unwrap())
            .sum();
        assert_eq!(
            clinic.balance("wallet").await,
            expected,
            "{point}: was {wallet}"
        );
        sound(&clinic, &before, point).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn q_m4_killed_while_giving_back_it_goes_back_once() {
    let clinic = Clinic::new().await;
    let jwks = issuer(&clinic).await;
    for point in GIVE_BACK {
        let payment = paid_invoice(&clinic, 10_000).await;
        let before = killed_giving_back(&clinic, &jwks, &payment, point).await;
        assert_eq!(
            clinic.status_of(&payment).await,
            "partially_refunded",
            "{point}"
        );
        assert_eq!(
            clinic.refunded_at_the_provider(&payment).await,
            4_000,
            "{point}"
        );
        sound(&clinic, &before, point).await;
    }
    for point in TAKE_BACK {
        let payment = paid_invoice(&clinic, 10_000).await;
        clinic.give_back_at_the_provider(&payment, 8_000).await;
        let before = killed_giving_back(&clinic, &jwks, &payment, point).await;
        assert_eq!(
            clinic
                .number("SELECT count(*) FROM refunds WHERE status = 'failed'")
                .await,
            1
        );
        assert_eq!(
            clinic
                .number(&format!(
                    "SELECT refund_reserved FROM payments WHERE id = '{payment}'"
                ))
                .await,
            0
        );
        sound(&clinic, &before, point).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn q_m4_killed_while_a_wallet_pays_or_a_payment_is_booked_it_is_done_once() {
    let mut clinic = Clinic::new().await;
    let jwks = issuer(&clinic).await;
    paid_charge(&clinic, 50_000).await;
    for point in WALLET {
        let before = clinic.now_and_fingerprint().await;
        let (held, body) = (
            clinic.balance("wallet").await,
            json!({"amount": 3_000, "description": "x"}),
        );
        let token = clinic.doctor_token();
        let request = ("/api/v1/wallet/pay/", token.as_str());
        killed_at((&clinic, &jwks), request, point, &body).await;
        assert_eq!(clinic.balance("wallet").await, held, "{point}");
        done_once(&clinic, request, point, &body).await;
        assert_eq!(clinic.balance("wallet").await, held - 3_000, "{point}");
        sound(&clinic, &before, point).await;
    }
    for point in BOOK {
        let before = clinic.now_and_fingerprint().await;
        let event = PaymentRecorded {
            recorded_payment_id: Uuid::now_v7(),
            aggregate_version: 1,
            organization_id: clinic.organization,
            invoice_id: Uuid::now_v7(),
            patient_id: Uuid::now_v7(),
            amount: 7_000,
            currency: Currency::Xof,
            method: "cash".into(),
            online_payment_id: None,
            recorded_by: None,
            recorded_at: chrono::Utc::now(),
        };
        clinic.emit("portal", &event).await;
        killed(&clinic, &jwks, point).await;
        clinic.service.start_worker();
        eventually(PATIENCE, async || {
            clinic.balance("till:cash").await == -7_000
        })
        .await;
        sound(&clinic, &before, point).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn q_m4_killed_while_a_refund_is_asked_for_the_money_is_set_aside_once() {
    let clinic = Clinic::new().await;
    let jwks = issuer(&clinic).await;
    let token = clinic.accountant_token();
    let body = json!({"amount": 4_000, "reason": "part"});
    for point in RESERVE {
        let payment = paid_invoice(&clinic, 10_000).await;
        let before = clinic.now_and_fingerprint().await;
        let path = format!("/api/v1/payments/{payment}/refund/");
        let reserved = format!("SELECT refund_reserved FROM payments WHERE id = '{payment}'");
        let request = (path.as_str(), token.as_str());
        killed_at((&clinic, &jwks), request, point, &body).await;
        assert_eq!(clinic.number(&reserved).await, 0, "{point}");
        let made = done_once(&clinic, request, point, &body).await;
        assert_eq!(clinic.number(&reserved).await, 4_000, "{point}");
        clinic.due("refunds", made["id"].as_str().unwrap()).await;
        refund::run_due_refunds(&clinic.service.state)
            .await
            .unwrap();
        assert_eq!(
            (
                clinic.refunded_at_the_provider(&payment).await,
                clinic.number(&reserved).await
            ),
            (4_000, 0),
            "{point}"
        );
        sound(&clinic, &before, point).await;
    }
}
