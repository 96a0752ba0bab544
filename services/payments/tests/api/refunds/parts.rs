//! Parts and wholes, under many hands at once.

use common_types::ClinicRole;
use serde_json::{Value, json};
use service_testing::{eventually, unsettled_events};
use uuid::Uuid;

use super::{paid_invoice, refund};
use crate::support::{Clinic, PATIENCE, members};

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_goes_back_in_parts_and_then_whole() {
    let mut clinic = Clinic::new().await;
    clinic.service.start_worker();
    let payment = paid_invoice(&clinic, 10_000).await;
    let answer = refund(
        &clinic,
        &payment,
        "a",
        &json!({"amount": 4_000, "reason": "too much"}),
    )
    .await;
    assert_eq!(answer.status(), 201);
    let first: Value = answer.json().await.unwrap();
    assert_eq!(
        members(&first),
        [
            "amount",
            "completed_at",
            "created_at",
            "currency",
            "decided_by",
            "failure_reason",
            "id",
            "method",
            "payment_id",
            "provider_reference",
            "reason",
            "requested_by",
            "status"
        ]
    );
    assert_eq!(
        (&first["status"], &first["method"], &first["amount"]),
        (&json!("processing"), &json!("provider"), &json!(4_000))
    );
    clinic.becomes(&payment, "partially_refunded").await;
    let id = first["id"].as_str().unwrap();
    let path = format!("/api/v1/refunds/{id}/");
    let done: Value = clinic
        .get(&path, &clinic.accountant_token())
        .await
        .json()
        .await
        .unwrap();
    assert_eq!(done["status"], "succeeded");
    assert!(
        done["provider_reference"]
            .as_str()
            .unwrap()
            .starts_with("re_")
    );
    // Without an amount: all that is left.
    let rest = refund(&clinic, &payment, "b", &json!({"reason": "the rest"})).await;
    assert_eq!(rest.json::<Value>().await.unwrap()["amount"], 6_000);
    clinic.becomes(&payment, "refunded").await;
    assert_eq!(clinic.balance("invoice_receipts").await, 0);
    assert_eq!(clinic.balance("refunds_in_transit").await, 0);
    assert_eq!(clinic.balance("clearing:sandbox").await, 0);
    let events = clinic.events_named("payments.payment_refunded").await;
    let told: Vec<(i64, i64, bool)> = events
        .iter()
        .map(|event| {
            (
                event["amount"].as_i64().unwrap(),
                event["total_refunded"].as_i64().unwrap(),
                event["is_full"].as_bool().unwrap(),
            )
        })
        .collect();
    assert_eq!(told, [(4_000, 4_000, false), (6_000, 10_000, true)]);
    let versions: Vec<i64> = events
        .iter()
        .map(|event| event["aggregate_version"].as_i64().unwrap())
        .collect();
    assert!(versions[0] < versions[1], "{versions:?}");
    let none_left = refund(&clinic, &payment, "c", &json!({"reason": "again"})).await;
    assert_eq!(none_left.status(), 409);
    clinic.books_are_right().await;
    assert_eq!(unsettled_events(clinic.db()).await.1, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn q_m6_a_thousand_parallel_refunds_never_exceed_what_was_paid() {
    let mut clinic = Clinic::new().await;
    let payment = paid_invoice(&clinic, 10_000).await;
    let refunds = (0..1_000).map(|number| {
        let (clinic, payment) = (&clinic, &payment);
        async move {
            let amount = 37 + number % 200;
            let body = json!({"amount": amount, "reason": "part"});
            let answer = refund(clinic, payment, &format!("k{number}"), &body).await;
            (answer.status().as_u16(), i64::from(amount))
        }
    });
    let answers = futures_util::future::join_all(refunds).await;
    let given: i64 = answers
        .iter()
        .filter(|(status, _)| *status == 201)
        .map(|(_, amount)| amount)
        .sum();
    assert!(given <= 10_000, "{given}");
    let odd = answers
        .iter()
        .find(|(status, _)| !matches!(status, 201 | 409 | 422 | 503));
    assert_eq!(odd, None);
    // Nearly all of it was wanted: what is left is smaller than any part that was refused for size,
    // unless somebody found no free connection.
    let left = 10_000 - given;
    let turned_away = answers.iter().any(|(status, _)| *status == 503);
    assert!(left < 237 || turned_away, "{left}");
    clinic.service.start_worker();
    eventually(PATIENCE, async || {
        clinic
            .number("SELECT count(*) FROM refunds WHERE status <> 'succeeded'")
            .await
            == 0
    })
    .await;
    assert_eq!(
        clinic.number("SELECT refunded_amount FROM payments").await,
        given
    );
    assert_eq!(
        clinic.number("SELECT refund_reserved FROM payments").await,
        0
    );
    assert_eq!(clinic.refunded_at_the_provider(&payment).await, given);
    assert_eq!(clinic.balance("invoice_receipts").await, left);
    clinic.books_are_right().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn q_m1_a_refunds_key_answers_the_same_bytes_and_belongs_to_payment_and_person() {
    let clinic = Clinic::new().await;
    let (one, two) = (
        paid_invoice(&clinic, 10_000).await,
        paid_invoice(&clinic, 10_000).await,
    );
    let body = json!({"amount": 1_000, "reason": "part"});
    let asked = (0..100).map(|_| async {
        let answer = refund(&clinic, &one, "k", &body).await;
        (answer.status().as_u16(), answer.bytes().await.unwrap())
    });
    let answers = futures_util::future::join_all(asked).await;
    let mut made: Vec<_> = answers
        .iter()
        .filter(|(status, _)| *status == 201)
        .map(|(_, body)| body)
        .collect();
    made.dedup();
    assert_eq!(made.len(), 1);
    assert!(
        answers
            .iter()
            // 503 is a busy database: nothing was done.
            .all(|(status, _)| matches!(status, 201 | 409 | 503))
    );
    assert_eq!(clinic.number("SELECT count(*) FROM refunds").await, 1);
    let other = json!({"amount": 1_001, "reason": "part"});
    assert_eq!(refund(&clinic, &one, "k", &other).await.status(), 422);
    assert_eq!(refund(&clinic, &two, "k", &body).await.status(), 422);
    let path = format!("/api/v1/payments/{two}/refund/");
    let colleague = clinic.token(Uuid::now_v7(), ClinicRole::Admin);
    assert_eq!(
        clinic.keyed(&path, &colleague, "k", &body).await.status(),
        201
    );
    assert_eq!(clinic.post(&path, &colleague, &body).await.status(), 400);
    for amount in [
        json!(0),
        json!(-1),
        json!(i64::MAX),
        json!(1.5),
        json!("NaN"),
    ] {
        let answer = refund(
            &clinic,
            &one,
            "x",
            &json!({"amount": amount, "reason": "part"}),
        )
        .await;
        assert!(matches!(answer.status().as_u16(), 400 | 422), "{amount}");
    }
    assert_eq!(
        refund(&clinic, &one, "y", &json!({"amount": 5, "reason": " "}))
            .await
            .status(),
        400
    );
    clinic.books_are_right().await;
}
