//! R10: the whole way from the desk to the patient's screen, twice.

use common_types::ClinicRole::{Admin, Secretary};
use serde_json::json;
use service_testing::eventually;

use crate::support::{Clinic, DEADLINE, PDF};

#[tokio::test]
async fn r10_invoice_payment_keys_paper_report_patient() {
    let mut clinic = Clinic::open().await;
    clinic.service.start_worker();
    let patient = clinic.patient().await;
    let invoice = clinic.invoice(&patient, 33_000).await;
    clinic
        .publish("payments", &clinic.settled(&invoice, 33_000))
        .await;
    clinic.until_status(&invoice, "paid").await;
    eventually(DEADLINE, async || clinic.messages().await.len() == 2).await;
    let text = clinic.messages().await[0]["text"]
        .as_str()
        .unwrap()
        .to_owned();
    let after = |label: &str| {
        text.lines()
            .find_map(|line| line.strip_prefix(label))
            .unwrap()
            .to_owned()
    };
    let (key, password) = (after("Clé d'accès : "), after("Mot de passe : "));
    let paper = clinic.staff(
        Secretary,
        reqwest::Method::GET,
        &format!("/api/invoices/{}/download_pdf/", invoice["id"]),
    );
    assert_eq!(paper.send().await.unwrap().status(), 200);
    let keys = clinic
        .post(
            Secretary,
            "/api/patients/access/generate/",
            json!({"patient_id": patient["id"]}),
        )
        .await
        .ok(201);
    assert_eq!(keys["access_key"], key);
    let report = clinic
        .upload(Secretary, &keys["id"].to_string(), "résultat.pdf", PDF)
        .await
        .ok(201);
    assert_eq!(
        (&report["is_active"], &report["invoice_number"]),
        (&json!(true), &json!("FAC-000001"))
    );
    eventually(DEADLINE, async || clinic.messages().await.len() == 4).await;
    let told = clinic.messages().await.pop().unwrap();
    assert_eq!(told["purpose"], "notification");
    assert!(
        told["text"]
            .as_str()
            .unwrap()
            .contains("http://tabib.test/patient")
    );
    let body = clinic.try_login(&key, &password).await.ok(200);
    assert_eq!(body["files"].as_array().unwrap().len(), 1);
    let session = body["session_token"].as_str().unwrap();
    let path = format!("/api/reports/download/{}/", report["id"].as_str().unwrap());
    assert_eq!(clinic.as_patient(session, &path).await.status, 200);
}

#[tokio::test]
async fn r21_the_next_exam_brings_the_same_keys() {
    let clinic = Clinic::open().await;
    let (patient, _) = clinic.paid().await;
    let keys = clinic.keys(&patient).await;
    clinic
        .upload(Secretary, &keys.id.to_string(), "a.pdf", PDF)
        .await
        .ok(201);
    let second = clinic.invoice(&patient, 5_000).await;
    clinic.pay(&second, 5_000).await.ok(201);
    assert_eq!(clinic.keys(&patient).await.key, keys.key);
    clinic
        .upload(Secretary, &keys.id.to_string(), "b.pdf", PDF)
        .await
        .ok(201);
    let body = clinic.try_login(&keys.key, &keys.password).await.ok(200);
    assert_eq!(body["files"].as_array().unwrap().len(), 2);
    let shown = clinic
        .get(Admin, &format!("/api/invoices/{}/", second["id"]))
        .await
        .ok(200);
    assert_eq!(shown["has_access_keys"], true);
}

#[tokio::test]
async fn r22_every_named_operation_leaves_its_trace() {
    let clinic = Clinic::open().await;
    let (keys, report) = clinic.with_report().await;
    let session = clinic.login(&keys).await;
    clinic
        .as_patient(&session, &format!("/api/reports/download/{report}/"))
        .await;
    for action in [
        "patient.created",
        "invoice.created",
        "recorded_payment.created",
        "access.linked",
        "access.generated",
        "report.uploaded",
        "report.activated",
        "portal.login",
        "report.downloaded",
    ] {
        assert!(clinic.audits(action).await >= 1, "{action}");
    }
    assert_eq!(
        clinic
            .count("patient_accesses WHERE access_count = 1 AND last_access IS NOT NULL")
            .await,
        1
    );
    assert_eq!(clinic.count("reports WHERE download_count = 1").await, 1);
}
