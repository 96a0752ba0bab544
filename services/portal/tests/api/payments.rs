use common_types::{
    ClinicRole::{Accountant, Doctor, Secretary},
    events::portal::{PaymentAmended, PaymentRecorded, PaymentVoided},
};
use reqwest::Method;
use serde_json::json;

use crate::support::Clinic;

#[tokio::test]
async fn r10_a_payment_moves_the_invoice_and_tells_the_ledger() {
    let clinic = Clinic::open().await;
    let patient = clinic.patient().await;
    let invoice = clinic.invoice(&patient, 33_000).await;
    let part = clinic.pay(&invoice, 3_000).await.ok(201);
    assert_eq!(part["amount"], "3000");
    assert_eq!(
        (&part["remaining_amount"], &part["is_partial_payment"]),
        (&json!(30_000), &json!(true))
    );
    assert_eq!(part["payment_method_display"], "Espèces");
    assert_eq!(part["invoice_details"]["invoice_number"], "FAC-000001");
    assert!(part["receipt_number"].as_str().unwrap().starts_with("REC-"));
    assert_eq!(clinic.status_of(&invoice).await, "partially_paid");
    clinic.pay(&invoice, 30_000).await.ok(201);
    assert_eq!(clinic.status_of(&invoice).await, "paid");
    let events = clinic.lines("SELECT payload::text AS line FROM outbox_events WHERE name = 'portal.payment_recorded' ORDER BY id").await;
    let event: PaymentRecorded = serde_json::from_str(&events[0]).unwrap();
    assert_eq!(
        (event.amount, event.method.as_str(), events.len()),
        (3_000, "cash", 2)
    );
}

#[tokio::test]
async fn an_over_payment_is_refused_in_the_contracts_words() {
    let clinic = Clinic::open().await;
    let patient = clinic.patient().await;
    let invoice = clinic.invoice(&patient, 33_000).await;
    clinic.pay(&invoice, 1_001).await.ok(201);
    let errors = clinic.pay(&invoice, 33_000).await.ok(400);
    assert_eq!(
        errors["amount"],
        json!(["Le montant (33000 FCFA) dépasse le montant restant à payer (31999 FCFA)."])
    );
    clinic.pay(&invoice, 31_999).await.ok(201);
    let errors = clinic.pay(&invoice, 1).await.ok(400);
    assert_eq!(
        errors["amount"],
        json!(["Le montant (1 FCFA) dépasse le montant restant à payer (0 FCFA)."])
    );
}

#[tokio::test]
async fn parallel_payments_never_pay_too_much() {
    let clinic = Clinic::open().await;
    let patient = clinic.patient().await;
    let invoice = clinic.invoice(&patient, 1_000).await;
    let answers = futures_util::future::join_all((0..8).map(|_| clinic.pay(&invoice, 400))).await;
    let taken = answers.iter().filter(|answer| answer.status == 201).count();
    assert_eq!(taken, 2);
    assert_eq!(clinic.count("recorded_payments").await, 2);
}

#[tokio::test]
async fn refused_payments_say_why() {
    let clinic = Clinic::open().await;
    let patient = clinic.patient().await;
    let invoice = clinic.invoice(&patient, 1_000).await;
    let base = json!({"invoice": invoice["id"], "amount": 100, "payment_method": "cash", "payment_date": "2026-11-21"});
    let with = |name: &str, value: serde_json::Value| {
        let mut body = base.clone();
        body[name] = value;
        body
    };
    let cases = [
        (with("amount", json!(0)), "amount"),
        (with("amount", json!("1.5")), "amount"),
        (with("payment_method", json!("online")), "payment_method"),
        (with("payment_date", json!("hier")), "payment_date"),
        (with("discount", json!(101)), "discount"),
        (
            with("coverage_percentage", json!("150")),
            "coverage_percentage",
        ),
        (with("invoice", json!(999_999)), "amount"),
        (with("invoice", json!("abc")), "invoice"),
    ];
    for (body, field) in cases {
        let errors = clinic
            .post(Accountant, "/api/payments/", body.clone())
            .await
            .ok(400);
        assert!(errors[field].is_array(), "{body}: {errors}");
    }
    let path = format!("/api/invoices/{}/", invoice["id"]);
    clinic
        .send(Accountant, Method::PATCH, &path, json!({"status": "draft"}))
        .await
        .ok(200);
    let errors = clinic
        .post(Accountant, "/api/payments/", base)
        .await
        .ok(400);
    assert!(errors["invoice"].is_array());
}

#[tokio::test]
async fn two_pending_payments_need_no_receipt_and_change_nothing() {
    let clinic = Clinic::open().await;
    let patient = clinic.patient().await;
    let invoice = clinic.invoice(&patient, 1_000).await;
    for _ in 0..2 {
        let body = json!({"invoice": invoice["id"], "amount": 1_000, "payment_method": "check", "payment_date": "2026-11-21",
            "status": "pending"});
        let pending = clinic
            .post(Accountant, "/api/payments/", body)
            .await
            .ok(201);
        assert!(pending["receipt_number"].is_null());
    }
    assert_eq!(clinic.status_of(&invoice).await, "sent");
}

#[tokio::test]
async fn a_void_reopens_the_invoice_and_keeps_row_and_keys() {
    let clinic = Clinic::open().await;
    let (_, invoice) = clinic.paid().await;
    let list = clinic.get(Accountant, "/api/payments/").await.ok(200);
    let path = format!("/api/payments/{}/", list["results"][0]["id"]);
    clinic
        .send(Secretary, Method::DELETE, &path, json!({}))
        .await
        .ok(403);
    clinic
        .send(Accountant, Method::DELETE, &path, json!({}))
        .await
        .ok(204);
    clinic
        .send(Accountant, Method::DELETE, &path, json!({}))
        .await
        .ok(404);
    assert_eq!(clinic.status_of(&invoice).await, "sent");
    assert_eq!(clinic.count("recorded_payments").await, 1);
    assert_eq!(clinic.count("patient_accesses").await, 1);
    let events = clinic
        .lines(
            "SELECT payload::text AS line FROM outbox_events WHERE name = 'portal.payment_voided'",
        )
        .await;
    let event: PaymentVoided = serde_json::from_str(&events[0]).unwrap();
    assert_eq!((event.amount, events.len()), (33_000, 1));
}

#[tokio::test]
async fn a_correction_moves_the_invoice_and_tells_the_ledger_the_newest_version() {
    let clinic = Clinic::open().await;
    let patient = clinic.patient().await;
    let invoice = clinic.invoice(&patient, 33_000).await;
    let part = clinic.pay(&invoice, 3_000).await.ok(201);
    let path = format!("/api/payments/{}/", part["id"]);
    let patch = async |role, body| clinic.send(role, Method::PATCH, &path, body).await;
    patch(Secretary, json!({"amount": 5_000})).await.ok(403);
    let errors = patch(Accountant, json!({"amount": 33_001})).await.ok(400);
    assert!(errors["amount"].is_array());
    patch(Accountant, json!({"amount": 0})).await.ok(400);
    patch(Accountant, json!({"payment_method": "online"}))
        .await
        .ok(400);
    let done = patch(
        Accountant,
        json!({"amount": 33_000, "payment_method": "bank_transfer", "notes": "typed wrong"}),
    )
    .await
    .ok(200);
    assert_eq!(
        (&done["amount"], &done["payment_method"], &done["notes"]),
        (
            &json!("33000"),
            &json!("bank_transfer"),
            &json!("typed wrong")
        )
    );
    assert_eq!(done["receipt_number"], part["receipt_number"]);
    assert_eq!(clinic.status_of(&invoice).await, "paid");
    patch(Accountant, json!({"amount": 1_000})).await.ok(200);
    assert_eq!(clinic.status_of(&invoice).await, "partially_paid");
    let events = clinic
        .lines("SELECT payload::text AS line FROM outbox_events WHERE name = 'portal.payment_amended' ORDER BY id")
        .await;
    let told: Vec<(i64, i64, i64)> = events
        .iter()
        .map(|line| serde_json::from_str::<PaymentAmended>(line).unwrap())
        .map(|event| (event.aggregate_version, event.previous_amount, event.amount))
        .collect();
    assert_eq!(told, [(2, 3_000, 33_000), (3, 33_000, 1_000)]);
    assert_eq!(clinic.count("recorded_payments").await, 1);
}

#[tokio::test]
async fn lists_filter_and_sum() {
    let clinic = Clinic::open().await;
    let (patient, invoice) = clinic.paid().await;
    let count = async |query: &str| {
        clinic
            .get(Secretary, &format!("/api/payments/{query}"))
            .await
            .ok(200)["count"]
            .clone()
    };
    assert_eq!(count(&format!("?patient={}", patient["id"])).await, 1);
    assert_eq!(count("?payment_method=wave").await, 0);
    assert_eq!(
        count("?status=completed&date_from=2026-11-21&date_to=2026-11-21").await,
        1
    );
    assert_eq!(count("?search=REC-").await, 1);
    let bad = clinic
        .get(Secretary, "/api/payments/?payment_method=gold")
        .await
        .ok(400);
    assert_eq!(
        bad["payment_method"],
        json!(["Sélectionnez un choix valide. gold n’en fait pas partie."])
    );
    let sum = clinic
        .get(
            Secretary,
            &format!("/api/payments/by_invoice/?invoice_id={}", invoice["id"]),
        )
        .await
        .ok(200);
    assert_eq!(
        (&sum["total_paid"], &sum["payment_count"]),
        (&json!(33_000), &json!(1))
    );
    let none = clinic
        .get(Secretary, "/api/payments/by_invoice/")
        .await
        .ok(400);
    assert_eq!(none["error"], "L'ID de la facture est requis");
    assert_eq!(
        clinic.get(Doctor, "/api/payments/").await.ok(200)["count"],
        0
    );
}

#[tokio::test]
async fn the_summary_sums_by_method_in_strings() {
    let clinic = Clinic::open().await;
    clinic.paid().await;
    let body = clinic
        .get(
            Accountant,
            "/api/payments/summary/?start_date=2026-11-01&end_date=2026-11-21",
        )
        .await
        .ok(200);
    assert_eq!(
        (
            &body["total_payments"],
            &body["total_cash"],
            &body["payment_count"]
        ),
        (&json!("33000"), &json!("33000"), &json!(1))
    );
    assert_eq!(body["period_end"], "2026-11-21");
    let earlier = clinic
        .get(
            Accountant,
            "/api/payments/summary/?start_date=2026-11-01&end_date=2026-11-20",
        )
        .await
        .ok(200);
    assert_eq!(earlier["total_payments"], "0");
    clinic
        .get(Accountant, "/api/payments/summary/?start_date=x")
        .await
        .ok(400);
}
