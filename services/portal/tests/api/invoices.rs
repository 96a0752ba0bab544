use common_types::ClinicRole::{Accountant, Admin, Doctor, Secretary};
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::Clinic;

#[tokio::test]
async fn r23_lines_tax_inside_and_a_number() {
    let clinic = Clinic::open().await;
    let patient = clinic.patient().await;
    let body = json!({"patient": patient["id"], "invoice_date": "2026-11-21", "due_date": "2026-12-21", "status": "sent",
        "tax_rate": "18.00", "total_amount": "1", "items": [
            {"id": 0, "description": "Échographie", "quantity": 2, "unit_price": "15000", "total_price": "1"},
            {"description": "Radio", "quantity": 1, "unit_price": 3000}]});
    let invoice = clinic.post(Secretary, "/api/invoices/", body).await.ok(201);
    assert_eq!(invoice["invoice_number"], "FAC-000001");
    assert_eq!(invoice["total_amount"], "33000");
    assert_eq!(
        (&invoice["subtotal"], &invoice["tax_amount"]),
        (&json!("27966"), &json!("5034"))
    );
    assert_eq!(invoice["tax_rate"], "18.00");
    assert_eq!(invoice["items"][0]["total_price"], "30000");
    assert_eq!(invoice["remaining_amount"], 33000);
    assert_eq!(invoice["has_access_keys"], false);
    assert_eq!(invoice["patient_name"], "Awa Diop");
}

#[tokio::test]
async fn numbers_have_no_gaps_when_made_at_once_or_refused() {
    let clinic = Clinic::open().await;
    let patient = clinic.patient().await;
    let bad = json!({"patient": patient["id"], "invoice_date": "2026-11-21", "due_date": "2026-12-21", "items": []});
    clinic.post(Secretary, "/api/invoices/", bad).await.ok(400);
    let mut numbers: Vec<String> =
        futures_util::future::join_all((0..12).map(|_| clinic.invoice(&patient, 1_000)))
            .await
            .iter()
            .map(|invoice| invoice["invoice_number"].as_str().unwrap().to_owned())
            .collect();
    numbers.sort();
    let expected: Vec<String> = (1..=12).map(|n| format!("FAC-{n:06}")).collect();
    assert_eq!(numbers, expected);
}

#[tokio::test]
async fn line_mistakes_stand_under_items_with_a_sentence() {
    let clinic = Clinic::open().await;
    let patient = clinic.patient().await;
    let cases = [
        (
            json!([{"description": "x", "unit_price": 0}]),
            "Le prix unitaire doit être supérieur à 0",
        ),
        (
            json!([{"unit_price": 5}]),
            "Chaque item doit avoir une description ou un type d'examen",
        ),
        (
            json!([{"exam_type": 999, "unit_price": 5}]),
            "Type d'examen avec l'ID 999 introuvable",
        ),
        (json!([]), "La facture doit comporter au moins une ligne."),
        (
            json!(["x"]),
            "Données non valides. Un dictionnaire était attendu.",
        ),
    ];
    for (items, text) in cases {
        let body = json!({"patient": patient["id"], "invoice_date": "2026-11-21", "due_date": "2026-12-21", "items": items});
        let errors = clinic.post(Secretary, "/api/invoices/", body).await.ok(400);
        assert_eq!(errors["items"], json!([text]), "{items}");
        assert_eq!(errors["detail"], text);
    }
    let body = json!({"patient": 999_999, "invoice_date": "2026-11-21", "due_date": "2026-12-21",
        "items": [{"description": "x", "unit_price": 5}]});
    let errors = clinic.post(Secretary, "/api/invoices/", body).await.ok(400);
    assert_eq!(
        errors["patient"],
        json!(["Clé primaire «\u{a0}999999\u{a0}» non valide - l'objet n'existe pas."])
    );
    assert_eq!(clinic.count("invoices").await, 0);
}

#[tokio::test]
async fn an_idempotency_key_makes_one_invoice() {
    let clinic = Clinic::open().await;
    let patient = clinic.patient().await;
    let body = json!({"patient": patient["id"], "invoice_date": "2026-11-21", "due_date": "2026-12-21",
        "items": [{"description": "x", "unit_price": 5}]});
    let token = clinic.token(Secretary);
    let send = |body: Value| {
        let request = clinic
            .service
            .post("/api/invoices/")
            .bearer_auth(&token)
            .header("Idempotency-Key", "k-1")
            .json(&body);
        async move { crate::support::answer(request.send().await.unwrap()).await }
    };
    let first = send(body.clone()).await.ok(201);
    let again = send(body.clone()).await.ok(201);
    assert_eq!(first, again);
    let mut other = body;
    other["notes"] = json!("x");
    send(other).await.ok(422);
    assert_eq!(clinic.count("invoices").await, 1);
}

#[tokio::test]
async fn by_hand_an_invoice_is_sent_drafted_or_cancelled_but_never_paid() {
    let clinic = Clinic::open().await;
    let patient = clinic.patient().await;
    let invoice = clinic.invoice(&patient, 1_000).await;
    let path = format!("/api/invoices/{}/", invoice["id"]);
    clinic
        .send(Accountant, Method::PATCH, &path, json!({"status": "paid"}))
        .await
        .ok(400);
    clinic
        .send(Accountant, Method::PATCH, &path, json!({"status": "draft"}))
        .await
        .ok(200);
    let changed = clinic
        .send(Accountant, Method::PATCH, &path, json!({"status": "sent", "items": [{"description": "y", "unit_price": 700, "quantity": 3}]}))
        .await
        .ok(200);
    assert_eq!(changed["total_amount"], "2100");
    assert_eq!(changed["items"].as_array().unwrap().len(), 1);
    clinic.pay(&invoice, 500).await.ok(201);
    let below = json!({"items": [{"description": "y", "unit_price": 400}]});
    clinic
        .send(Accountant, Method::PATCH, &path, below)
        .await
        .ok(400);
    clinic
        .send(Accountant, Method::DELETE, &path, json!({}))
        .await
        .ok(409);
    let free = clinic.invoice(&patient, 1_000).await;
    let path = format!("/api/invoices/{}/", free["id"]);
    clinic
        .send(Accountant, Method::DELETE, &path, json!({}))
        .await
        .ok(204);
    clinic.get(Accountant, &path).await.ok(404);
    // Its number is never given again.
    assert_eq!(
        clinic.invoice(&patient, 1_000).await["invoice_number"],
        "FAC-000003"
    );
}

#[tokio::test]
async fn lists_are_filtered_and_doctors_get_an_empty_page() {
    let clinic = Clinic::open().await;
    let (patient, _) = clinic.paid().await;
    clinic.invoice(&patient, 500).await;
    let of = |query: &str| format!("/api/invoices/{query}");
    assert_eq!(clinic.get(Secretary, &of("")).await.ok(200)["count"], 2);
    assert_eq!(
        clinic
            .get(Secretary, &of("?status=sent,partially_paid"))
            .await
            .ok(200)["count"],
        1
    );
    assert_eq!(
        clinic
            .get(Secretary, &of("?search=FAC-000001"))
            .await
            .ok(200)["count"],
        1
    );
    assert_eq!(
        clinic
            .get(Secretary, &of(&format!("?patient={}", patient["id"])))
            .await
            .ok(200)["count"],
        2
    );
    let unknown = clinic.get(Secretary, &of("?patient=999999")).await.ok(400);
    assert_eq!(
        unknown["patient"][0],
        "Sélectionnez un choix valide. Ce choix ne fait pas partie de ceux disponibles."
    );
    assert_eq!(clinic.get(Doctor, &of("")).await.ok(200)["count"], 0);
    clinic.get(Doctor, &of("1/")).await.ok(403);
    let ordered = clinic
        .get(Admin, &of("?ordering=total_amount"))
        .await
        .ok(200);
    assert_eq!(ordered["results"][0]["total_amount"], "500");
}

#[tokio::test]
async fn payments_may_ask_what_is_payable_and_nobody_else() {
    let clinic = Clinic::open().await;
    let patient = clinic.patient().await;
    let invoice = clinic.invoice(&patient, 9_000).await;
    clinic.pay(&invoice, 2_000).await.ok(201);
    let path = format!(
        "/internal/invoices/{}/payable/",
        invoice["uuid"].as_str().unwrap()
    );
    let token = clinic.service.issuer.service("payments");
    let response = clinic
        .service
        .get(&path)
        .bearer_auth(&token)
        .send()
        .await
        .unwrap();
    let body = crate::support::answer(response).await.ok(200);
    assert_eq!(
        (&body["amount"], &body["currency"], &body["status"]),
        (&json!(7000), &json!("XOF"), &json!("partially_paid"))
    );
    assert_eq!(body["invoice_number"], "FAC-000001");
    clinic.get(Admin, &path).await.ok(401);
    let response = clinic.service.get(&path).send().await.unwrap();
    assert_eq!(response.status(), 401);
}

#[tokio::test]
async fn payments_reads_where_every_invoice_stands_page_by_page() {
    let clinic = Clinic::open().await;
    clinic.with_report().await;
    let patient = clinic.patient().await;
    for price in 1..=201 {
        clinic.invoice(&patient, price).await;
    }
    let read = async |caller: &str, query: &str| {
        let token = clinic.service.issuer.service(caller);
        let path = format!("/internal/invoices/{query}");
        let response = clinic.service.get(&path).bearer_auth(&token).send().await;
        crate::support::answer(response.unwrap()).await
    };
    let first = read("payments", "").await.ok(200);
    let invoices = first["invoices"].as_array().unwrap();
    assert_eq!(invoices.len(), 200);
    let paid = &invoices[0];
    assert_eq!(
        (&paid["status"], &paid["total_amount"], &paid["currency"]),
        (&json!("paid"), &json!(33_000), &json!("XOF"))
    );
    assert_eq!(paid["organization_id"], json!(clinic.organization));
    assert!(paid["paid_at"].is_string() && paid["version"].as_i64().unwrap() > 1);
    assert_eq!(paid["reports"].as_array().unwrap().len(), 1);
    assert!(paid["reports"][0]["published_at"].is_string());
    let open = &invoices[1];
    assert_eq!(
        (&open["paid_at"], &open["reports"]),
        (&json!(null), &json!([]))
    );
    // The last two; nothing comes twice.
    let next = format!("?after={}", first["next"].as_str().unwrap());
    let last = read("payments", &next).await.ok(200);
    assert_eq!(last["invoices"].as_array().unwrap().len(), 2);
    assert_eq!(last["next"], json!(null));
    assert_eq!(clinic.audits("invoice.listed").await, 2);
    // Nobody else, whatever the token.
    read("content", "").await.ok(403);
    clinic.get(Admin, "/internal/invoices/").await.ok(401);
}
