//! The points at which `serve` starts a payment.

use chrono::{TimeDelta, Utc};
use payments::payment;
use serde_json::{Value, json};

use super::{
    sound,
    victim::{Victim, answered, issuer},
};
use crate::{repeats::at_the_provider, support::Clinic};

const PAYMENTS: &str = "/api/v1/payments/";

/// All of them.
pub(super) const DRIVEN: [&[&str]; 1] = [&START];

/// In the order in which a start passes them.
const START: [&str; 4] = [
    "start.before_commit",
    "start.before_provider",
    "start.after_provider",
    "start.before_answer_commit",
];

#[tokio::test(flavor = "multi_thread")]
async fn q_m4_killed_while_starting_the_same_request_ends_in_one_payment() {
    let clinic = Clinic::new().await;
    let jwks = issuer(&clinic).await;
    let token = clinic.doctor_token();
    for point in START {
        // The killed process lives by the real time.
        clinic.pass(Utc::now() - clinic.service.state.now());
        let before = clinic.now_and_fingerprint().await;
        let body =
            json!({"purpose": "invoice", "invoice_id": clinic.invoice(10_000, "sent").await});
        let held = clinic.number("SELECT count(*) FROM payments").await;
        let victim = Victim::start(&clinic, &jwks, "serve", point).await;
        victim.post(PAYMENTS, &token, point, &body).await;
        victim.dies(point).await;
        let written = clinic.number("SELECT count(*) FROM payments").await - held;
        assert_eq!(written, i64::from(point != START[0]), "{point}");
        if written == 1 {
            // Whoever asks at once may find the first one still at work; afterwards it was left behind.
            let early = clinic.keyed(PAYMENTS, &token, point, &body).await;
            assert_eq!(early.status(), 409, "{point}");
            clinic.pass(Utc::now() - clinic.service.state.now() + TimeDelta::seconds(21));
        }
        let mut answers = Vec::new();
        for _ in 0..2 {
            let (status, said) = answered(&clinic, (PAYMENTS, &token), point, &body).await;
            assert_eq!(status, 201, "{point}");
            answers.push(said);
        }
        assert_eq!(answers[0], answers[1], "{point}: INV6");
        let started: Value = serde_json::from_slice(&answers[0]).unwrap();
        let id = started["id"].as_str().unwrap();
        assert_eq!(
            clinic.number("SELECT count(*) FROM payments").await,
            held + 1,
            "{point}"
        );
        assert_eq!(at_the_provider(&clinic, id).await, 1, "{point}");
        settles_once(&clinic, &started, point).await;
        sound(&clinic, &before, point).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn q_m4_killed_while_starting_a_payer_who_never_asks_again_leaves_nothing_open() {
    let clinic = Clinic::new().await;
    let jwks = issuer(&clinic).await;
    let token = clinic.doctor_token();
    for point in START {
        let body =
            json!({"purpose": "invoice", "invoice_id": clinic.invoice(10_000, "sent").await});
        let victim = Victim::start(&clinic, &jwks, "serve", point).await;
        victim.post(PAYMENTS, &token, point, &body).await;
        victim.dies(point).await;
    }
    for _ in 0..8 {
        clinic.pass(TimeDelta::minutes(10));
        while payment::run_due_checks(&clinic.service.state)
            .await
            .unwrap()
            > 0
        {}
    }
    let expired = "SELECT count(*) FROM payments WHERE status = 'expired'";
    assert_eq!(
        (
            clinic.number("SELECT count(*) FROM payments").await,
            clinic.number(expired).await
        ),
        (3, 3)
    );
    clinic.books_are_right().await;
}

/// Paid, told by a browser and found by the worker: one credit.
async fn settles_once(clinic: &Clinic, started: &Value, point: &str) {
    let id = started["id"].as_str().unwrap();
    let receipts = clinic.balance("invoice_receipts").await;
    let location = clinic
        .decide(started["payment_url"].as_str().unwrap(), "approve")
        .await;
    clinic.come_back(&location).await;
    clinic.due("payments", id).await;
    payment::run_due_checks(&clinic.service.state)
        .await
        .unwrap();
    assert_eq!(clinic.status_of(id).await, "completed", "{point}");
    assert_eq!(
        clinic.balance("invoice_receipts").await - receipts,
        10_000,
        "{point}"
    );
}
