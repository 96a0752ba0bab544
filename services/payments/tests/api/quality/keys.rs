//! Q-M1: many requests, few keys, and a Redis that forgets everything meanwhile.

use std::collections::{HashMap, HashSet};

use futures_util::StreamExt;
use serde_json::json;

use crate::support::{Clinic, PrivateRedis};

const PAYMENTS: &str = "/api/v1/payments/";

/// A Redis that forgets everything every moment, and requests that need it nowhere.
#[tokio::test(flavor = "multi_thread")]
async fn q_m1_a_thousand_requests_with_one_key_while_redis_forgets_are_one_payment() {
    let redis = PrivateRedis::start().await;
    let clinic = Clinic::with(|setup, _| setup.set("redis.url", redis.url())).await;
    let token = clinic.doctor_token();
    let body = json!({"purpose": "invoice", "invoice_id": clinic.invoice(10_000, "sent").await});
    let ask = async || {
        let answer = clinic.keyed(PAYMENTS, &token, "one", &body).await;
        let status = answer.status().as_u16();
        if status == 409 {
            assert_eq!(answer.headers()["retry-after"], "1");
        }
        (status, answer.bytes().await.unwrap())
    };
    let mut made = HashSet::new();
    let (mut asked, mut forgotten) = (0, 0);
    let mut requests = futures_util::stream::iter(0..1_000)
        .map(|_| ask())
        .buffer_unordered(1_000);
    while let Some((status, bytes)) = requests.next().await {
        // 503 is a busy database: nothing was done, the same request may be sent again.
        assert!(matches!(status, 201 | 409 | 503), "{status}");
        if status == 201 {
            made.insert(bytes);
        }
        asked += 1;
        if asked % 20 == 0 {
            redis.forgets();
            forgotten += 1;
        }
    }
    drop(requests);
    assert_eq!((asked, forgotten), (1_000, 50));
    for _ in 0..5 {
        redis.forgets();
        let (status, bytes) = ask().await;
        assert_eq!(status, 201);
        made.insert(bytes);
    }
    assert_eq!(made.len(), 1, "all answers are the first, byte for byte");
    assert_eq!(clinic.number("SELECT count(*) FROM payments").await, 1);
    let id = serde_json::from_slice::<serde_json::Value>(made.iter().next().unwrap()).unwrap();
    let id = id["id"].as_str().unwrap().to_owned();
    assert_eq!(crate::repeats::at_the_provider(&clinic, &id).await, 1);
    // Spending is guarded by the database alone as well.
    crate::refunds::paid_charge(&clinic, 10_000).await;
    redis.forgets();
    let body = json!({"amount": 10_000, "description": "x"});
    for (key, status) in [("a", 201), ("a", 201), ("b", 409)] {
        redis.forgets();
        let answer = clinic
            .keyed("/api/v1/wallet/pay/", &token, key, &body)
            .await;
        assert_eq!(answer.status(), status);
    }
    clinic.books_are_right().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn q_m1_two_hundred_keys_with_five_bodies_each_are_two_hundred_payments() {
    let clinic = Clinic::new().await;
    let token = clinic.doctor_token();
    let invoice = clinic.invoice(10_000, "sent").await;
    let asked = futures_util::stream::iter(0..1_000).map(|number| {
        let (clinic, token) = (&clinic, &token);
        async move {
            let body =
                json!({"purpose": "invoice", "invoice_id": invoice, "amount": 1_000 + number % 5});
            let key = format!("key-{}", number / 5);
            loop {
                let answer = clinic.keyed(PAYMENTS, token, &key, &body).await;
                let status = answer.status().as_u16();
                // Still running, or the database is busy: the same request is sent again.
                if !matches!(status, 409 | 503) {
                    return (key, status, answer.bytes().await.unwrap());
                }
            }
        }
    });
    let answers: Vec<_> = asked.buffer_unordered(32).collect().await;
    let mut by_key: HashMap<&str, Vec<u16>> = HashMap::new();
    for (key, status, _) in &answers {
        by_key.entry(key).or_default().push(*status);
    }
    assert_eq!(by_key.len(), 200);
    for (key, statuses) in by_key {
        assert_eq!(
            statuses.iter().filter(|status| **status == 201).count(),
            1,
            "{key}: {statuses:?}"
        );
        assert_eq!(
            statuses.iter().filter(|status| **status == 422).count(),
            4,
            "{key}: {statuses:?}"
        );
    }
    assert_eq!(clinic.number("SELECT count(*) FROM payments").await, 200);
    clinic.books_are_right().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn q_m1_keys_have_1_to_255_ascii_characters() {
    let clinic = Clinic::new().await;
    let token = clinic.doctor_token();
    let body = json!({"purpose": "invoice", "invoice_id": clinic.invoice(10_000, "sent").await});
    let status = async |key: &[u8]| {
        let value = reqwest::header::HeaderValue::from_bytes(key).unwrap();
        let request = clinic
            .service
            .post(PAYMENTS)
            .bearer_auth(&token)
            .header("Idempotency-Key", value);
        request.json(&body).send().await.unwrap().status().as_u16()
    };
    assert_eq!(status(b"").await, 400);
    assert_eq!(status("x".repeat(255).as_bytes()).await, 201);
    assert_eq!(status("x".repeat(256).as_bytes()).await, 400);
    assert_eq!(status("کلید".as_bytes()).await, 400);
}
