//! The ways money goes back: the provider, the wallet, the desk.

use chrono::TimeDelta;
use serde_json::{Value, json};
use service_testing::eventually;

use super::{paid_charge, paid_invoice, refund, refund_becomes, refund_status};
use crate::support::{Clinic, PATIENCE};

#[tokio::test(flavor = "multi_thread")]
async fn an_unanswered_refund_stays_unknown_and_goes_back_once() {
    let mut clinic = Clinic::new().await;
    let payment = paid_invoice(&clinic, 10_000).await;
    clinic.behave(&json!({"lose_refund_answers": 2})).await;
    let made: Value = refund(&clinic, &payment, "k", &json!({"reason": "all"}))
        .await
        .json()
        .await
        .unwrap();
    let id = made["id"].as_str().unwrap();
    clinic.service.start_worker();
    eventually(PATIENCE, async || {
        clinic.number("SELECT checks FROM refunds").await >= 1
    })
    .await;
    assert_eq!(refund_status(&clinic, id).await, "processing");
    assert_eq!(clinic.status_of(&payment).await, "completed");
    clinic.pass(TimeDelta::minutes(5));
    refund_becomes(&clinic, id, "succeeded").await;
    assert_eq!(clinic.refunded_at_the_provider(&payment).await, 10_000);
    clinic.books_are_right().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pending_refund_is_asked_about_and_a_refused_one_returns_the_money() {
    let mut clinic = Clinic::new().await;
    clinic.service.start_worker();
    let payment = paid_charge(&clinic, 50_000).await;
    clinic.behave(&json!({"pending_refunds": true})).await;
    let made: Value = refund(
        &clinic,
        &payment,
        "k",
        &json!({"amount": 20_000, "reason": "part"}),
    )
    .await
    .json()
    .await
    .unwrap();
    let id = made["id"].as_str().unwrap();
    eventually(PATIENCE, async || {
        clinic.number("SELECT checks FROM refunds").await >= 1
    })
    .await;
    // The wallet does not hold what is on its way back.
    assert_eq!(clinic.balance("wallet").await, 30_000);
    clinic.behave(&json!({})).await;
    clinic.pass(TimeDelta::minutes(5));
    refund_becomes(&clinic, id, "succeeded").await;
    // Given back at the provider behind our back: it refuses the rest, and the wallet has it again.
    clinic.give_back_at_the_provider(&payment, 30_000).await;
    let made: Value = refund(&clinic, &payment, "l", &json!({"reason": "rest"}))
        .await
        .json()
        .await
        .unwrap();
    refund_becomes(&clinic, made["id"].as_str().unwrap(), "failed").await;
    assert_eq!(clinic.balance("wallet").await, 30_000);
    assert_eq!(clinic.status_of(&payment).await, "partially_refunded");
    clinic.books_are_right().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_spent_charge_does_not_go_back_and_the_desk_gives_back_with_its_reference() {
    let clinic = Clinic::new().await;
    let payment = paid_charge(&clinic, 50_000).await;
    clinic.spend(45_000, "order-1").await;
    let spent = refund(&clinic, &payment, "a", &json!({"reason": "all"})).await;
    assert_eq!(spent.status(), 409);
    assert_eq!(
        spent.json::<Value>().await.unwrap()["code"],
        "wallet.insufficient_funds"
    );
    assert_eq!(
        clinic.number("SELECT refund_reserved FROM payments").await,
        0
    );
    let into_itself = refund(
        &clinic,
        &payment,
        "b",
        &json!({"method": "wallet", "reason": "x"}),
    )
    .await;
    assert_eq!(into_itself.status(), 422);
    let invoice = paid_invoice(&clinic, 8_000).await;
    let bare = json!({"method": "manual", "reason": "cash"});
    assert_eq!(refund(&clinic, &invoice, "c", &bare).await.status(), 400);
    let cash = json!({"method": "manual", "reason": "cash", "reference": "REC-7", "amount": 3_000});
    let done: Value = refund(&clinic, &invoice, "d", &cash)
        .await
        .json()
        .await
        .unwrap();
    assert_eq!(
        (&done["status"], &done["provider_reference"]),
        (&json!("succeeded"), &json!("REC-7"))
    );
    assert_eq!(clinic.balance("till:refunds").await, 3_000);
    let wallet = json!({"method": "wallet", "reason": "kept", "amount": 5_000});
    let done: Value = refund(&clinic, &invoice, "e", &wallet)
        .await
        .json()
        .await
        .unwrap();
    assert_eq!(done["status"], "succeeded");
    assert_eq!(clinic.status_of(&invoice).await, "refunded");
    clinic.books_are_right().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_somebody_holds_too_long_answers_503_and_the_repeat_is_done() {
    use diesel_async::SimpleAsyncConnection;
    let clinic = Clinic::with(|setup, _| setup.set("database.lock_timeout_ms", 200)).await;
    let payment = paid_invoice(&clinic, 10_000).await;
    let body = json!({"amount": 1_000, "reason": "part"});
    let mut holder = clinic.db().get().await.unwrap();
    let hold = format!("BEGIN; SELECT 1 FROM payments WHERE id = '{payment}' FOR UPDATE");
    holder.batch_execute(&hold).await.unwrap();
    let busy = refund(&clinic, &payment, "k", &body).await;
    assert_eq!(busy.status(), 503);
    assert!(busy.headers().contains_key("retry-after"));
    holder.batch_execute("ROLLBACK").await.unwrap();
    assert_eq!(refund(&clinic, &payment, "k", &body).await.status(), 201);
    assert_eq!(clinic.number("SELECT count(*) FROM refunds").await, 1);
    clinic.books_are_right().await;
}
