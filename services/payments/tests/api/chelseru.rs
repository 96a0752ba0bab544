//! django-chelseru's payment routes (wire.md 4.3).

use serde_json::{Value, json};

use crate::support::{Clinic, members};

#[tokio::test(flavor = "multi_thread")]
async fn chelseru_payments_speak_toman_and_credit_once() {
    let clinic = Clinic::new().await;
    let token = clinic.doctor_token();
    let create = async |body: Value| clinic.post("/api/payment/create/", &token, &body).await;
    for (body, words) in [
        (json!({}), "amount is required."),
        (json!({"amount": ""}), "amount is required."),
        (
            json!({"amount": "abc"}),
            "amount must be a whole number above zero.",
        ),
        (
            json!({"amount": -5}),
            "amount must be a whole number above zero.",
        ),
        (
            json!({"amount": 5.5}),
            "amount must be a whole number above zero.",
        ),
        (
            json!({"amount": 5, "currency": "EUR"}),
            "currency must be IRT or IRR.",
        ),
        (
            json!({"amount": 5, "pay_mode": 3}),
            "pay_mode must be 1 or 2.",
        ),
        (
            json!({"amount": 5, "order_id": "x".repeat(21)}),
            "order_id must have at most 20 characters.",
        ),
        (
            json!({"amount": 5, "frontend_callback_url": "https://evil.example/"}),
            "frontend_callback_url is not allowed.",
        ),
    ] {
        let answer = create(body).await;
        assert_eq!(answer.status(), 400);
        assert_eq!(answer.json::<Value>().await.unwrap()["error"], words);
    }
    let answer = create(json!({"amount": 5_000.0, "order_id": "o-1"})).await;
    assert_eq!(answer.status(), 200);
    let body: Value = answer.json().await.unwrap();
    let details = &body["details"];
    assert_eq!(
        members(details),
        [
            "authority",
            "callback_url",
            "currency",
            "data",
            "gateway_title",
            "gateway_url",
            "message",
            "status_code"
        ]
    );
    assert_eq!(
        (&details["currency"], &details["status_code"]),
        (&json!("IRT"), &json!(100))
    );
    let authority = details["authority"].as_str().unwrap();
    let verify = async |authority: &str, status: &str| {
        let path = format!("/api/payment/verify/?Authority={authority}&Status={status}");
        clinic.service.get(&path).send().await.unwrap()
    };
    assert_eq!(
        clinic
            .service
            .get("/api/payment/verify/")
            .send()
            .await
            .unwrap()
            .status(),
        400
    );
    let unknown = verify("none", "OK").await;
    assert_eq!(unknown.status(), 404);
    assert_eq!(
        unknown.json::<Value>().await.unwrap()["error"],
        "payment not found."
    );
    let early = verify(authority, "OK").await;
    assert_eq!(
        early.json::<Value>().await.unwrap()["error"],
        "The transaction was unsuccessful or canceled."
    );
    clinic
        .decide(details["gateway_url"].as_str().unwrap(), "approve")
        .await;
    // Whatever Status claims, the gateway's word counts; the second time nothing is credited.
    for (status, code) in [("NOK", 100), ("OK", 101)] {
        let done: Value = verify(authority, status).await.json().await.unwrap();
        let done = &done["details"];
        assert_eq!(
            members(done),
            [
                "card_hash",
                "card_pan",
                "data_verify",
                "is_pay",
                "message",
                "ref_id",
                "status_code"
            ]
        );
        assert_eq!(
            (&done["is_pay"], &done["status_code"]),
            (&json!(1), &json!(code))
        );
    }
    // Five thousand tomans are fifty thousand rials.
    assert_eq!(clinic.balance("wallet").await, 50_000);
    // Pay mode 2 leaves the wallet alone, and the page of the shop gets the outcome.
    let shop = json!({"amount": "7000", "currency": "IRR", "pay_mode": 2, "order_id": "o-2",
        "frontend_callback_url": "http://tabib.test/done?x=1"});
    let body: Value = create(shop).await.json().await.unwrap();
    clinic
        .decide(body["details"]["gateway_url"].as_str().unwrap(), "approve")
        .await;
    let authority = body["details"]["authority"].as_str().unwrap();
    let form = clinic
        .service
        .post("/api/payment/verify/")
        .header("content-type", "application/x-www-form-urlencoded");
    let sent = form
        .body(format!("authority={authority}&paymentRefId=9"))
        .send()
        .await
        .unwrap();
    assert_eq!(sent.status(), 302);
    let location = sent.headers()["location"].to_str().unwrap();
    assert!(
        location.starts_with("http://tabib.test/done?x=1&status=paid&order_id=o-2&authority="),
        "{location}"
    );
    assert!(location.contains("&amount=7000.0&"), "{location}");
    assert_eq!(
        (
            clinic.balance("wallet").await,
            clinic.balance("service_income").await
        ),
        (50_000, 7_000)
    );
    clinic.books_are_right().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn chelseru_clients_get_200_from_a_dead_gateway() {
    let clinic = Clinic::with(|setup, _| setup.set("sandbox.api_key", "wrong")).await;
    let answer = clinic
        .post(
            "/api/payment/create/",
            &clinic.doctor_token(),
            &json!({"amount": 5_000}),
        )
        .await;
    assert_eq!(answer.status(), 200);
    let details = &answer.json::<Value>().await.unwrap()["details"];
    assert_eq!(
        members(details),
        ["callback_url", "data", "message", "status_code"]
    );
    assert_eq!(details["message"], "gateway request failed (no response).");
    assert!(details["status_code"].is_null());
}
