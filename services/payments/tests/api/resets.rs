//! Clients that reset their connection in the middle of a request: it is done whole, or not at all (Q-F4).

use std::time::Duration;

use serde_json::{Value, json};
use service_testing::eventually;
use tokio::{io::AsyncWriteExt, net::TcpStream};

use crate::{
    refunds::{paid_charge, paid_invoice},
    repeats::at_the_provider,
    support::{Clinic, PATIENCE},
};

/// Sends the whole request and resets the connection when `until` has come.
async fn reset(
    clinic: &Clinic,
    (path, token): (&str, &str),
    key: &str,
    body: &Value,
    until: impl Future<Output = ()>,
) {
    let host = clinic.service.base.strip_prefix("http://").unwrap();
    let body = body.to_string();
    let request = format!(
        "POST {path} HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {token}\r\nidempotency-key: {key}\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut stream = TcpStream::connect(host).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    until.await;
    stream.set_zero_linger().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn q_f4_a_start_whose_client_resets_is_finished_and_answers_the_repeat() {
    let clinic = Clinic::new().await;
    let (token, path) = (clinic.doctor_token(), "/api/v1/payments/");
    let opened = "SELECT count(*) FROM payments WHERE payment_url IS NOT NULL";
    // The provider is at work when the client goes away.
    clinic.behave(&json!({"api_delay_ms": 1_500})).await;
    for number in 1..=4_i64 {
        let body =
            json!({"purpose": "invoice", "invoice_id": clinic.invoice(10_000, "sent").await});
        let key = format!("k{number}");
        let written = clinic.number("SELECT count(*) FROM payments").await;
        // The first step is done when the row is there; only then the client leaves.
        let begun = eventually(PATIENCE, async || {
            clinic.number("SELECT count(*) FROM payments").await > written
        });
        reset(&clinic, (path, &token), &key, &body, begun).await;
        eventually(PATIENCE, async || clinic.number(opened).await == number).await;
        eventually(PATIENCE, async || {
            let again = clinic.keyed(path, &token, &key, &body).await;
            again.status() == 201 && again.headers().contains_key("idempotency-replayed")
        })
        .await;
    }
    let ids = clinic.rows("SELECT id::text AS line FROM payments").await;
    for id in ids {
        assert_eq!(at_the_provider(&clinic, &id).await, 1);
    }
    assert_eq!(clinic.number("SELECT count(*) FROM payments").await, 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn q_f4_resets_at_any_moment_leave_nothing_by_halves() {
    let clinic = Clinic::new().await;
    paid_charge(&clinic, 1_000_000).await;
    let payment = paid_invoice(&clinic, 1_000_000).await;
    let (doctor, accountant) = (clinic.doctor_token(), clinic.accountant_token());
    let refund = format!("/api/v1/payments/{payment}/refund/");
    let pay = "/api/v1/wallet/pay/";
    let (spent, back) = (
        json!({"amount": 10, "description": "x"}),
        json!({"amount": 10, "reason": "x"}),
    );
    for after in 0..30 {
        let key = format!("k{after}");
        let moment = || tokio::time::sleep(Duration::from_millis(after * 2));
        tokio::join!(
            reset(&clinic, (pay, &doctor), &key, &spent, moment()),
            reset(&clinic, (&refund, &accountant), &key, &back, moment()),
        );
    }
    // Whatever became of each, the same request ends it, once.
    for after in 0..30 {
        let key = format!("k{after}");
        for (path, token, body) in [(pay, &doctor, &spent), (&refund, &accountant, &back)] {
            eventually(PATIENCE, async || {
                clinic.keyed(path, token, &key, body).await.status() == 201
            })
            .await;
        }
    }
    assert_eq!(clinic.balance("service_income").await, 300);
    assert_eq!(
        clinic
            .number("SELECT count(*) FROM payments WHERE provider = 'wallet'")
            .await,
        30
    );
    let set_aside = "SELECT sum(refund_reserved + refunded_amount) FROM payments";
    assert_eq!(clinic.number(set_aside).await, 300);
    assert_eq!(clinic.number("SELECT count(*) FROM refunds").await, 30);
    clinic.books_are_right().await;
}
