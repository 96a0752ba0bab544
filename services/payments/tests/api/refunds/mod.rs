//! Money that goes back: never more than came, once, with a second pair of eyes (Q-M6, Q-M1).

mod parts;
mod people;
mod ways;

use reqwest::Response;
use serde_json::{Value, json};
use service_testing::eventually;
use uuid::Uuid;

use crate::support::{Clinic, PATIENCE};

/// A charge of the doctor's wallet that was paid; answers its id.
pub(crate) async fn paid_charge(clinic: &Clinic, amount: i64) -> String {
    let started = clinic.charge(amount).await;
    let location = clinic
        .decide(started["payment_url"].as_str().unwrap(), "approve")
        .await;
    clinic.come_back(&location).await;
    started["transaction_id"].as_str().unwrap().to_owned()
}

/// An invoice paid online; answers the payment's id.
pub(crate) async fn paid_invoice(clinic: &Clinic, amount: i64) -> String {
    let body = json!({"purpose": "invoice", "invoice_id": clinic.invoice(amount, "sent").await});
    let started: Value = clinic
        .keyed(
            "/api/v1/payments/",
            &clinic.doctor_token(),
            &Uuid::now_v7().to_string(),
            &body,
        )
        .await
        .json()
        .await
        .unwrap();
    let location = clinic
        .decide(started["payment_url"].as_str().unwrap(), "approve")
        .await;
    clinic.come_back(&location).await;
    started["id"].as_str().unwrap().to_owned()
}

pub(crate) async fn refund(clinic: &Clinic, payment: &str, key: &str, body: &Value) -> Response {
    let path = format!("/api/v1/payments/{payment}/refund/");
    clinic
        .keyed(&path, &clinic.accountant_token(), key, body)
        .await
}

pub(super) async fn refund_status(clinic: &Clinic, id: &str) -> String {
    let path = format!("/api/v1/refunds/{id}/");
    let answer = clinic.get(&path, &clinic.accountant_token()).await;
    let refund: Value = answer.json().await.unwrap();
    refund["status"].as_str().unwrap().to_owned()
}

pub(super) async fn refund_becomes(clinic: &Clinic, id: &str, status: &str) {
    eventually(PATIENCE, async || refund_status(clinic, id).await == status).await;
}
