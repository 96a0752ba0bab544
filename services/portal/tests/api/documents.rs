use common_types::ClinicRole::{Accountant, Admin, Secretary};
use serde_json::json;

use crate::support::Clinic;

async fn pdf(clinic: &Clinic, role: common_types::ClinicRole, path: &str) -> (Vec<u8>, String) {
    let response = clinic
        .staff(role, reqwest::Method::GET, path)
        .send()
        .await
        .unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-type"], "application/pdf");
    let name = response.headers()["content-disposition"]
        .to_str()
        .unwrap()
        .to_owned();
    (response.bytes().await.unwrap().to_vec(), name)
}

#[tokio::test]
async fn r09_the_pdf_comes_when_paid_and_with_the_keys() {
    let clinic = Clinic::open().await;
    let patient = clinic.patient().await;
    let invoice = clinic.invoice(&patient, 33_000).await;
    let path = format!("/api/invoices/{}/download_pdf/", invoice["id"]);
    let refused = clinic.get(Secretary, &path).await.ok(400);
    assert_eq!(
        refused["error"],
        "Le téléchargement PDF n'est disponible que pour les factures payées."
    );
    clinic.pay(&invoice, 33_000).await.ok(201);
    let (bytes, name) = pdf(&clinic, Secretary, &path).await;
    assert!(bytes.starts_with(b"%PDF-"));
    assert!(
        name.contains("facture_FAC-000001_Awa_Diop_avec_cles.pdf"),
        "{name}"
    );
    let (without, name) = pdf(&clinic, Secretary, &format!("{path}?keys=false")).await;
    assert!(name.contains("facture_FAC-000001_Awa_Diop.pdf"), "{name}");
    assert!(without.len() < bytes.len());
    let (fa, _) = pdf(
        &clinic,
        Secretary,
        &format!("/api/invoices/{}/pdf/?language=fa", invoice["id"]),
    )
    .await;
    assert!(fa.starts_with(b"%PDF-"));
}

#[tokio::test]
async fn the_password_is_printed_once_or_for_those_who_may_reprint() {
    let clinic = Clinic::open().await;
    let (_, invoice) = clinic.paid().await;
    let path = format!("/api/invoices/{}/download_pdf/", invoice["id"]);
    let shown = async || {
        clinic
            .lines("SELECT details->>'password' AS line FROM audit_entries WHERE action = 'access.printed' ORDER BY occurred_at, id")
            .await
    };
    pdf(&clinic, Secretary, &path).await;
    pdf(&clinic, Accountant, &path).await;
    pdf(&clinic, Admin, &path).await;
    assert_eq!(shown().await, ["true", "false", "true"]);
}

#[tokio::test]
async fn a_receipt_belongs_to_a_completed_payment() {
    let clinic = Clinic::open().await;
    let patient = clinic.patient().await;
    let invoice = clinic.invoice(&patient, 33_000).await;
    let paid = clinic.pay(&invoice, 3_000).await.ok(201);
    let (bytes, name) = pdf(
        &clinic,
        Accountant,
        &format!("/api/payments/{}/receipt/", paid["id"]),
    )
    .await;
    assert!(
        bytes.starts_with(b"%PDF-") && name.contains("recu_REC-"),
        "{name}"
    );
    let body = json!({"invoice": invoice["id"], "amount": 10, "payment_method": "check", "payment_date": "2026-11-21", "status": "pending"});
    let pending = clinic
        .post(Accountant, "/api/payments/", body)
        .await
        .ok(201);
    let refused = clinic
        .get(
            Accountant,
            &format!("/api/payments/{}/receipt/", pending["id"]),
        )
        .await
        .ok(400);
    assert_eq!(
        refused["error"],
        "Le reçu ne peut être généré que pour les paiements complétés"
    );
}
