use common_types::ClinicRole;
use reqwest::Response;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{Clinic, members};

const PAYMENTS: &str = "/api/v1/payments/";

async fn pay(clinic: &Clinic, token: &str, key: Option<&str>, body: &Value) -> Response {
    let request = clinic.service.post(PAYMENTS).bearer_auth(token).json(body);
    let request = match key {
        Some(key) => request.header("Idempotency-Key", key),
        None => request,
    };
    request.send().await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn y06_an_invoice_is_paid_online() {
    let clinic = Clinic::new().await;
    let invoice = clinic.invoice(35_000, "sent").await;
    let secretary = clinic.token(Uuid::now_v7(), ClinicRole::Secretary);
    let body = json!({
        "purpose": "invoice", "invoice_id": invoice, "return_url": "http://tabib.test/invoices/1",
    });
    let answer = pay(&clinic, &secretary, Some("k1"), &body).await;
    assert_eq!(answer.status(), 201);
    let payment: Value = answer.json().await.unwrap();
    assert_eq!(
        (&payment["status"], &payment["amount"]),
        (&json!("processing"), &json!(35_000))
    );
    assert_eq!(
        (&payment["currency"], &payment["invoice_id"]),
        (&json!("XOF"), &json!(invoice))
    );
    let id = payment["id"].as_str().unwrap();

    let location = clinic
        .decide(payment["payment_url"].as_str().unwrap(), "approve")
        .await;
    let back = clinic.come_back(&location).await;
    assert_eq!(back.status(), 303);
    assert_eq!(
        back.headers()["location"],
        format!("http://tabib.test/invoices/1?payment_id={id}&status=completed")
    );
    let shown: Value = clinic
        .get(&format!("{PAYMENTS}{id}/"), &secretary)
        .await
        .json()
        .await
        .unwrap();
    assert_eq!(shown["status"], "completed");
    assert_eq!(shown["payment_url"], Value::Null);
    let events = clinic.events_named("payments.payment_settled").await;
    assert_eq!(events.len(), 1);
    assert_eq!(events[0]["invoice_id"], json!(invoice));
    assert_eq!(
        (&events[0]["amount"], &events[0]["currency"]),
        (&json!(35_000), &json!("XOF"))
    );
    assert_eq!(clinic.balance("invoice_receipts").await, 35_000);
    clinic.books_are_right().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn y06_what_cannot_be_paid_says_why() {
    let clinic = Clinic::new().await;
    let token = clinic.doctor_token();
    let body = |invoice: Uuid| json!({"purpose": "invoice", "invoice_id": invoice});
    let cases = [
        (
            clinic.invoice(10_000, "paid").await,
            409,
            "payment.invoice_not_payable",
        ),
        (
            clinic.invoice(0, "sent").await,
            409,
            "payment.invoice_not_payable",
        ),
        (
            clinic.invoice_of(Uuid::now_v7(), 10_000, "sent").await,
            404,
            "payment.unknown_invoice",
        ),
        (Uuid::now_v7(), 404, "payment.unknown_invoice"),
    ];
    for (number, (invoice, status, code)) in cases.into_iter().enumerate() {
        let answer = pay(&clinic, &token, Some(&format!("k{number}")), &body(invoice)).await;
        assert_eq!(answer.status(), status, "{code}");
        assert_eq!(answer.json::<Value>().await.unwrap()["code"], code);
    }
    let invoice = clinic.invoice(10_000, "sent").await;
    let foreign =
        json!({"purpose": "invoice", "invoice_id": invoice, "return_url": "https://evil.example/"});
    let answer = pay(&clinic, &token, Some("r"), &foreign).await;
    assert_eq!(answer.status(), 400);
    assert!(answer.json::<Value>().await.unwrap()["errors"]["return_url"].is_array());
    let missing = pay(&clinic, &token, Some("m"), &json!({"purpose": "invoice"})).await;
    assert_eq!(missing.status(), 400);
    assert!(missing.json::<Value>().await.unwrap()["errors"]["invoice_id"].is_array());
    assert_eq!(clinic.number("SELECT count(*) FROM payments").await, 0);
    // Without a clinic role nobody pays a clinic's invoices.
    let writer = clinic
        .service
        .issuer
        .access(|claims| claims.org = Some(clinic.organization));
    assert_eq!(
        pay(&clinic, &writer, Some("w"), &body(invoice))
            .await
            .status(),
        403
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn payments_stay_within_their_organization() {
    let clinic = Clinic::new().await;
    let started = clinic.charge(20_000).await;
    let path = format!("{PAYMENTS}{}/", started["transaction_id"].as_str().unwrap());
    assert_eq!(
        clinic.get(&path, &clinic.doctor_token()).await.status(),
        200
    );
    let accountant = clinic.token(Uuid::now_v7(), ClinicRole::Accountant);
    assert_eq!(clinic.get(&path, &accountant).await.status(), 200);
    let colleague = clinic.token(Uuid::now_v7(), ClinicRole::Secretary);
    assert_eq!(clinic.get(&path, &colleague).await.status(), 404);
    let stranger = clinic.service.issuer.access(|claims| {
        claims.org = Some(Uuid::now_v7());
        claims.clinic_role = Some(ClinicRole::Admin);
    });
    assert_eq!(clinic.get(&path, &stranger).await.status(), 404);
    let list: Value = clinic.get(PAYMENTS, &stranger).await.json().await.unwrap();
    assert_eq!(
        (&list["count"], members(&list)),
        (&json!(0), vec!["count", "next", "previous", "results"])
    );
    let list: Value = clinic
        .get(PAYMENTS, &accountant)
        .await
        .json()
        .await
        .unwrap();
    assert_eq!(list["count"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_route_but_the_hints_wants_a_token() {
    let clinic = Clinic::new().await;
    let document: Value = clinic
        .service
        .get("/openapi.json")
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    let open = [
        "/crazyminer/payment/callback/",
        "/api/v1/payments/return/",
        "/api/payment/verify/",
    ];
    for (path, methods) in document["paths"].as_object().unwrap() {
        for method in methods.as_object().unwrap().keys() {
            let method = reqwest::Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
            let concrete = path.replace("{id}", &Uuid::now_v7().to_string());
            for token in [None, Some("forged")] {
                let mut request = clinic
                    .service
                    .request(method.clone(), &concrete)
                    .json(&json!({}));
                if let Some(token) = token {
                    request = request.bearer_auth(token);
                }
                let status = request.send().await.unwrap().status();
                assert_eq!(
                    status == 401,
                    !open.contains(&path.as_str()),
                    "{method} {path}: {status}"
                );
            }
        }
    }
}
