//! One request, one payment: keys, repeats, and starts that were interrupted (Q-M1).

use std::collections::HashSet;

use chrono::TimeDelta;
use common_types::ClinicRole;
use reqwest::Response;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::Clinic;

const PAYMENTS: &str = "/api/v1/payments/";
const CREATE: &str = "/crazyminer/payment/create/";

async fn keyed(clinic: &Clinic, path: &str, token: &str, key: &str, body: &Value) -> Response {
    let request = clinic
        .service
        .post(path)
        .bearer_auth(token)
        .header("Idempotency-Key", key);
    request.json(body).send().await.unwrap()
}

pub(crate) async fn at_the_provider(clinic: &Clinic, order: &str) -> i64 {
    let url = format!(
        "{}/dev/sandbox/payments/?order_id={order}",
        clinic.provider.base_url
    );
    let found = reqwest::Client::new()
        .get(url)
        .bearer_auth("sandbox-key")
        .send()
        .await
        .unwrap();
    found.json::<Value>().await.unwrap()["count"]
        .as_i64()
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn q_m1_a_thousand_requests_with_one_key_are_one_payment() {
    let clinic = Clinic::new().await;
    let token = clinic.doctor_token();
    let body = json!({"purpose": "invoice", "invoice_id": clinic.invoice(10_000, "sent").await});
    let requests = (0..1_000).map(|_| async {
        let answer = keyed(&clinic, PAYMENTS, &token, "one", &body).await;
        let status = answer.status().as_u16();
        if status == 409 {
            assert_eq!(answer.headers()["retry-after"], "1");
        }
        (status, answer.bytes().await.unwrap())
    });
    let answers = futures_util::future::join_all(requests).await;
    let made: HashSet<_> = answers
        .iter()
        .filter(|(status, _)| *status == 201)
        .map(|(_, body)| body.clone())
        .collect();
    assert_eq!(
        made.len(),
        1,
        "all answers are the first one, byte for byte"
    );
    assert!(
        answers
            .iter()
            // 503 is a busy database: nothing was done.
            .all(|(status, _)| matches!(status, 201 | 409 | 503))
    );
    assert_eq!(clinic.number("SELECT count(*) FROM payments").await, 1);
    let later = keyed(&clinic, PAYMENTS, &token, "one", &body).await;
    assert_eq!(later.headers()["idempotency-replayed"], "true");
    assert_eq!(later.status(), 201);
    assert!(made.contains(&later.bytes().await.unwrap()));
}

#[tokio::test(flavor = "multi_thread")]
async fn q_m1_keys_are_required_bound_to_their_body_and_to_their_owner() {
    let clinic = Clinic::new().await;
    let token = clinic.doctor_token();
    let invoice = clinic.invoice(10_000, "sent").await;
    let body = json!({"purpose": "invoice", "invoice_id": invoice});
    let without = clinic.post(PAYMENTS, &token, &body).await;
    assert_eq!(without.status(), 400);
    assert_eq!(
        without.json::<Value>().await.unwrap()["code"],
        "idempotency.key_required"
    );
    let first = keyed(&clinic, PAYMENTS, &token, "k", &body).await;
    assert_eq!(first.status(), 201);
    for number in 0..5 {
        let other = json!({"purpose": "invoice", "invoice_id": invoice, "return_url": format!("http://tabib.test/{number}")});
        assert_eq!(
            keyed(&clinic, PAYMENTS, &token, "k", &other).await.status(),
            422
        );
    }
    // Another person's key of the same name is another key.
    let colleague = clinic.token(Uuid::now_v7(), ClinicRole::Secretary);
    let theirs = keyed(&clinic, PAYMENTS, &colleague, "k", &body).await;
    assert_eq!(theirs.status(), 201);
    let (first, theirs): (Value, Value) =
        (first.json().await.unwrap(), theirs.json().await.unwrap());
    assert_ne!(first["id"], theirs["id"]);
    // The key also works on the replaced system's routes, whose clients need none.
    let charge = json!({"amount": 20_000});
    let one: Value = keyed(&clinic, CREATE, &token, "k", &charge)
        .await
        .json()
        .await
        .unwrap();
    let two: Value = keyed(&clinic, CREATE, &token, "k", &charge)
        .await
        .json()
        .await
        .unwrap();
    assert_eq!(one, two);
}

#[tokio::test(flavor = "multi_thread")]
async fn q_m1_an_unanswered_start_is_taken_up_by_the_same_request() {
    let clinic = Clinic::new().await;
    let token = clinic.doctor_token();
    let body = json!({"purpose": "invoice", "invoice_id": clinic.invoice(10_000, "sent").await});
    clinic.behave(&json!({"fail_create_calls": 1})).await;
    let unanswered = keyed(&clinic, PAYMENTS, &token, "k", &body).await;
    assert_eq!(unanswered.status(), 503);
    assert!(unanswered.headers().contains_key("retry-after"));
    assert_eq!(
        keyed(&clinic, PAYMENTS, &token, "k", &body).await.status(),
        409
    );
    clinic.pass(TimeDelta::seconds(21));
    let taken_up = keyed(&clinic, PAYMENTS, &token, "k", &body).await;
    assert_eq!(taken_up.status(), 201);
    let payment: Value = taken_up.json().await.unwrap();
    assert_eq!(clinic.number("SELECT count(*) FROM payments").await, 1);
    assert_eq!(
        at_the_provider(&clinic, payment["id"].as_str().unwrap()).await,
        1
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn q_m1_a_refused_start_may_be_tried_again_with_the_same_key() {
    let clinic = Clinic::with(|setup, _| setup.set("sandbox.api_key", "wrong")).await;
    let token = clinic.doctor_token();
    let body = json!({"purpose": "invoice", "invoice_id": clinic.invoice(10_000, "sent").await});
    for _ in 0..2 {
        let refused = keyed(&clinic, PAYMENTS, &token, "k", &body).await;
        assert_eq!(refused.status(), 502);
        assert_eq!(
            refused.json::<Value>().await.unwrap()["code"],
            "payment.provider_refused"
        );
    }
    assert_eq!(
        clinic
            .number("SELECT count(*) FROM payments WHERE status = 'failed'")
            .await,
        2
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn q_m1_without_a_key_a_repeat_within_30_seconds_is_the_same_payment() {
    let clinic = Clinic::new().await;
    let token = clinic.doctor_token();
    let body = json!({"amount": 40_000});
    let charges = (0..20).map(|_| async {
        let answer = clinic.post(CREATE, &token, &body).await;
        assert_eq!(answer.status(), 201);
        answer.json::<Value>().await.unwrap()["transaction_id"].clone()
    });
    let ids = futures_util::future::join_all(charges).await;
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    // Another amount, another person and another time are other payments.
    assert_ne!(clinic.charge(40_001).await["transaction_id"], ids[0]);
    let colleague = clinic.token(Uuid::now_v7(), ClinicRole::Doctor);
    let theirs: Value = clinic
        .post(CREATE, &colleague, &body)
        .await
        .json()
        .await
        .unwrap();
    assert_ne!(theirs["transaction_id"], ids[0]);
    clinic.pass(TimeDelta::seconds(31));
    assert_ne!(clinic.charge(40_000).await["transaction_id"], ids[0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn q_m1_a_paid_payment_is_not_repeated() {
    let clinic = Clinic::new().await;
    let first = clinic.charge(40_000).await;
    let location = clinic
        .decide(first["payment_url"].as_str().unwrap(), "approve")
        .await;
    clinic.come_back(&location).await;
    let second = clinic.charge(40_000).await;
    assert_ne!(second["transaction_id"], first["transaction_id"]);
}
