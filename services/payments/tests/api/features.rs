//! Wallets that pay and are charged, the list of payments, limits and the rial/toman guard.

use std::time::Instant;

use chrono::TimeDelta;
use common_types::ClinicRole;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    refunds::{paid_charge, refund},
    support::{Clinic, PATIENCE},
};

pub(crate) async fn json_of(clinic: &Clinic, path: &str, token: &str) -> Value {
    clinic.get(path, token).await.json().await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wallet_pays_services_and_invoices_and_shows_a_running_balance() {
    let clinic = Clinic::new().await;
    paid_charge(&clinic, 50_000).await;
    let token = clinic.doctor_token();
    let pay = async |key: &str, amount: i64| {
        let body = json!({"amount": amount, "description": "report"});
        clinic
            .keyed("/api/v1/wallet/pay/", &token, key, &body)
            .await
    };
    let paid: Value = pay("a", 20_000).await.json().await.unwrap();
    assert_eq!(
        (&paid["status"], &paid["provider"], &paid["purpose"]),
        (&json!("completed"), &json!("wallet"), &json!("service"))
    );
    assert_eq!(pay("a", 20_000).await.json::<Value>().await.unwrap(), paid);
    assert_eq!(pay("a", 20_001).await.status(), 422);
    assert_eq!(
        pay("b", 30_001).await.json::<Value>().await.unwrap()["code"],
        "wallet.insufficient_funds"
    );
    assert_eq!(pay("c", 0).await.status(), 400);
    assert_eq!(clinic.balance("wallet").await, 30_000);
    // Part of an invoice, then more than is due.
    let invoice = clinic.invoice_in(25_000, "IRR").await;
    let transfer = async |key: &str, amount: Value| {
        let body = json!({"invoice_id": invoice, "amount": amount});
        clinic
            .keyed("/api/v1/wallet/pay-invoice/", &token, key, &body)
            .await
    };
    assert_eq!(
        transfer("d", json!(25_001))
            .await
            .json::<Value>()
            .await
            .unwrap()["code"],
        "payment.above_due"
    );
    let part: Value = transfer("e", json!(10_000)).await.json().await.unwrap();
    assert_eq!(
        (&part["invoice_id"], &part["amount"]),
        (&json!(invoice), &json!(10_000))
    );
    // Going back, it comes into the wallet again.
    let back = refund(
        &clinic,
        part["id"].as_str().unwrap(),
        "r",
        &json!({"reason": "wrong"}),
    )
    .await;
    assert_eq!(back.json::<Value>().await.unwrap()["method"], "wallet");
    assert_eq!(clinic.balance("wallet").await, 30_000);
    for path in ["/api/v1/wallet/entries/", "/crazyminer/wallet/entries/"] {
        let page = json_of(&clinic, path, &token).await;
        let lines: Vec<(i64, i64, i64)> = page["results"]
            .as_array()
            .unwrap()
            .iter()
            .map(|row| {
                (
                    row["line"].as_i64().unwrap(),
                    row["amount"].as_i64().unwrap(),
                    row["balance_after"].as_i64().unwrap(),
                )
            })
            .collect();
        assert_eq!(
            lines,
            [
                (4, 10_000, 30_000),
                (3, -10_000, 20_000),
                (2, -20_000, 30_000),
                (1, 50_000, 50_000)
            ]
        );
    }
    // The events are numbered as the statement is.
    let mut told: Vec<(i64, i64)> = Vec::new();
    for name in ["payments.wallet_credited", "payments.wallet_debited"] {
        for event in clinic.events_named(name).await {
            told.push((
                event["aggregate_version"].as_i64().unwrap(),
                event["balance_after"].as_i64().unwrap(),
            ));
        }
    }
    told.sort_unstable();
    assert_eq!(told, [(1, 50_000), (2, 30_000), (3, 20_000), (4, 30_000)]);
    clinic.books_are_right().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn q_m6_a_thousand_parallel_payments_from_a_wallet_of_ten_are_ten() {
    let clinic = Clinic::new().await;
    paid_charge(&clinic, 10_000).await;
    let token = clinic.doctor_token();
    let spends = (0..1_000).map(|number| {
        let (clinic, token) = (&clinic, &token);
        async move {
            let (key, body) = (
                format!("k{number}"),
                json!({"amount": 1_000, "description": "x"}),
            );
            let end = Instant::now() + PATIENCE;
            loop {
                let path = "/api/v1/wallet/pay/";
                let status = clinic.keyed(path, token, &key, &body).await.status();
                // 503 is a busy database: nothing was done, the same request is sent again.
                if status != 503 || Instant::now() > end {
                    return status.as_u16();
                }
            }
        }
    });
    let answers = futures_util::future::join_all(spends).await;
    assert_eq!(answers.iter().filter(|status| **status == 201).count(), 10);
    assert!(
        answers
            .iter()
            .all(|status| matches!(status, 201 | 409 | 503)),
        "{answers:?}"
    );
    assert_eq!(
        (
            clinic.balance("wallet").await,
            clinic.balance("service_income").await
        ),
        (0, 10_000)
    );
    clinic.books_are_right().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wallet_below_its_threshold_is_charged_by_itself_once() {
    let clinic = Clinic::new().await;
    let token = clinic.doctor_token();
    let set = async |body: Value| {
        let request = clinic
            .service
            .request(reqwest::Method::PUT, "/api/v1/wallet/top-up/");
        request
            .bearer_auth(&token)
            .json(&body)
            .send()
            .await
            .unwrap()
    };
    assert_eq!(
        clinic.get("/api/v1/wallet/top-up/", &token).await.status(),
        404
    );
    assert_eq!(
        set(json!({"threshold": 0, "amount": 5})).await.status(),
        400
    );
    assert_eq!(
        set(json!({"threshold": 15_000, "amount": 50_000}))
            .await
            .status(),
        200
    );
    let run = async || {
        payments::wallet::run_due_top_ups(&clinic.service.state)
            .await
            .unwrap()
    };
    assert_eq!(run().await, 1);
    clinic.pass(TimeDelta::minutes(2));
    assert_eq!(run().await, 0, "one charge is open");
    let rule = json_of(&clinic, "/api/v1/wallet/top-up/", &token).await;
    let charge = json_of(
        &clinic,
        &format!("/api/v1/payments/{}/", rule["payment_id"].as_str().unwrap()),
        &token,
    )
    .await;
    assert_eq!(
        (&charge["amount"], &charge["purpose"]),
        (&json!(50_000), &json!("wallet_charge"))
    );
    let location = clinic
        .decide(charge["payment_url"].as_str().unwrap(), "approve")
        .await;
    clinic.come_back(&location).await;
    clinic.pass(TimeDelta::minutes(2));
    assert_eq!(run().await, 0, "the wallet holds enough");
    clinic.spend(40_000, "x").await;
    clinic.pass(TimeDelta::minutes(2));
    assert_eq!(run().await, 1);
    assert_eq!(clinic.number("SELECT count(*) FROM payments").await, 2);
    let gone = clinic
        .service
        .request(reqwest::Method::DELETE, "/api/v1/wallet/top-up/")
        .bearer_auth(&token);
    assert_eq!(gone.send().await.unwrap().status(), 204);
}

#[tokio::test(flavor = "multi_thread")]
async fn payments_are_listed_synced_cancelled_and_printed() {
    let clinic = Clinic::new().await;
    let token = clinic.accountant_token();
    let paid = paid_charge(&clinic, 30_000).await;
    let open = clinic.charge(40_000).await;
    let open = open["transaction_id"].as_str().unwrap();
    let count = async |query: &str| {
        json_of(&clinic, &format!("/api/v1/payments/?{query}"), &token).await["count"].clone()
    };
    assert_eq!(count("").await, 2);
    assert_eq!(count("status=completed").await, 1);
    assert_eq!(
        count("min_amount=35000&purpose=wallet_charge&currency=IRR&provider=sandbox").await,
        1
    );
    assert_eq!(count("from=2020-01-01&to=2020-01-02").await, 0);
    assert_eq!(count(&format!("search={paid}")).await, 1);
    assert_eq!(count("search=%25").await, 0);
    let sorted = json_of(&clinic, "/api/v1/payments/?ordering=amount", &token).await;
    assert_eq!(sorted["results"][0]["amount"], 30_000);
    let post = async |id: &str, what: &str, token: &str| {
        clinic
            .post(&format!("/api/v1/payments/{id}/{what}/"), token, &json!({}))
            .await
            .status()
            .as_u16()
    };
    let stranger = clinic.token(Uuid::now_v7(), ClinicRole::Doctor);
    for what in ["sync", "cancel"] {
        assert_eq!(post(open, what, &stranger).await, 404);
    }
    assert_eq!(post(open, "sync", &clinic.doctor_token()).await, 200);
    assert_eq!(post(open, "cancel", &clinic.doctor_token()).await, 200);
    assert_eq!(clinic.status_of(open).await, "cancelled");
    assert_eq!(post(open, "cancel", &token).await, 409);
    assert_eq!(post(&paid, "cancel", &token).await, 409);
    // Paid in the very moment of the cancellation: the money counts.
    let late = clinic.charge(41_000).await;
    clinic
        .decide(late["payment_url"].as_str().unwrap(), "approve")
        .await;
    let late = late["transaction_id"].as_str().unwrap();
    assert_eq!(post(late, "cancel", &token).await, 409);
    assert_eq!(clinic.status_of(late).await, "completed");
    let mut papers = std::collections::BTreeSet::new();
    for lang in ["fa", "fr", "en"] {
        let path = format!("/api/v1/payments/{paid}/receipt.pdf?lang={lang}");
        let paper = clinic.get(&path, &token).await;
        assert_eq!(paper.status(), 200, "{lang}");
        assert_eq!(paper.headers()["content-type"], "application/pdf");
        let paper = paper.bytes().await.unwrap();
        assert!(paper.starts_with(b"%PDF"), "{lang}");
        papers.insert(paper);
    }
    assert_eq!(papers.len(), 3, "each language has its own paper");
    assert_eq!(
        clinic
            .get(&format!("/api/v1/payments/{open}/receipt.pdf"), &token)
            .await
            .status(),
        409
    );
    assert_eq!(
        clinic
            .get(
                &format!("/api/v1/payments/{paid}/receipt.pdf?lang=de"),
                &token
            )
            .await
            .status(),
        400
    );
    assert_eq!(
        clinic
            .get(&format!("/api/v1/payments/{paid}/receipt.pdf"), &stranger)
            .await
            .status(),
        404
    );
    assert_eq!(clinic.audit_rows("receipt.printed").await.len(), 3);
    clinic.books_are_right().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn starts_are_limited_per_payer_doctor_address_and_day() {
    let clinic = Clinic::with(|setup, _| {
        setup
            .set("rules.velocity.payer_per_hour", 4)
            .set("rules.velocity.doctor_per_hour", 2)
            .set("rules.velocity.address_per_hour", 7)
            .set("rules.payer_amount_per_day.irr", 900_000)
            .set("rules.ceiling.irr", 500_000)
    })
    .await;
    let charge = async |token: &str, amount: i64| {
        clinic
            .post(
                "/crazyminer/payment/create/",
                token,
                &json!({"amount": amount}),
            )
            .await
            .status()
            .as_u16()
    };
    let soapify = async |token: &str, amount: i64| {
        let body = json!({"amount": amount, "soapify_user_id": "u"});
        clinic
            .post("/crazyminer/patient/soapify-payment/", token, &body)
            .await
            .status()
            .as_u16()
    };
    let one = clinic.doctor_token();
    assert_eq!(charge(&one, 500_001).await, 400, "above the ceiling");
    assert_eq!(soapify(&one, 10_001).await, 201);
    assert_eq!(soapify(&one, 10_002).await, 201);
    assert_eq!(soapify(&one, 10_003).await, 429, "the doctor");
    // Parallel starts do not pass together.
    let starts =
        futures_util::future::join_all((0..10).map(|number| charge(&one, 20_000 + number))).await;
    assert_eq!(
        starts.iter().filter(|status| **status == 201).count(),
        2,
        "{starts:?}"
    );
    let two = clinic.token(Uuid::now_v7(), ClinicRole::Doctor);
    assert_eq!(charge(&two, 500_000).await, 201);
    assert_eq!(charge(&two, 400_001).await, 422, "the day's money");
    assert_eq!(charge(&two, 400_000).await, 201);
    let three = clinic.token(Uuid::now_v7(), ClinicRole::Doctor);
    assert_eq!(charge(&three, 10_000).await, 201);
    assert_eq!(
        charge(&clinic.token(Uuid::now_v7(), ClinicRole::Doctor), 10_000).await,
        429,
        "the address"
    );
    clinic.pass(TimeDelta::minutes(61));
    assert_eq!(
        charge(&clinic.token(Uuid::now_v7(), ClinicRole::Doctor), 10_000).await,
        201
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn tenfold_slips_between_rial_and_toman_are_said() {
    let clinic = Clinic::new().await;
    paid_charge(&clinic, 50_000).await;
    let warning = async |amount: i64| clinic.charge(amount).await.get("warnings").cloned();
    assert_eq!(
        warning(500_000).await,
        Some(json!(["amount.maybe_rial_for_toman"]))
    );
    assert_eq!(warning(50_001).await, None);
    paid_charge(&clinic, 600_000).await;
    assert_eq!(
        warning(60_000).await,
        Some(json!(["amount.maybe_toman_for_rial"]))
    );
    assert_eq!(warning(50_000).await, None, "it was paid before");
}
