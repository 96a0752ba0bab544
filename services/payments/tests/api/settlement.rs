//! Money moves once, and only on the provider's own word (Q-M2, Q-M3, Q-M7).

use chrono::TimeDelta;
use payments::payment;
use serde_json::json;
use service_testing::{eventually, eventually_stepping, unsettled_events};
use uuid::Uuid;

use crate::support::{Clinic, PATIENCE};

fn id_of(started: &serde_json::Value) -> (String, String) {
    let id = started["transaction_id"].as_str().unwrap().to_owned();
    (id, started["payment_url"].as_str().unwrap().to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn q_m2_copies_of_a_webhook_credit_once() {
    let mut clinic = Clinic::new().await;
    clinic.service.start_worker();
    let mut ids = Vec::new();
    for number in 0..5 {
        let (id, url) = id_of(&clinic.charge(100_000 + number).await);
        clinic.decide(&url, "approve").await;
        ids.push(id);
    }
    for copy in 0..10 {
        for id in &ids {
            let kind = if copy % 3 == 2 {
                "payment.failed"
            } else {
                "payment.success"
            };
            clinic.webhook(id, None, kind).await;
        }
    }
    for id in &ids {
        clinic.becomes(id, "completed").await;
    }
    eventually(PATIENCE, async || {
        clinic.number("SELECT count(*) FROM provider_events").await == 50
    })
    .await;
    assert_eq!(clinic.balance("wallet").await, 500_010);
    assert_eq!(
        clinic.events_named("payments.payment_settled").await.len(),
        5
    );
    clinic.books_are_right().await;
    assert_eq!(unsettled_events(clinic.db()).await.1, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn q_m2_every_way_at_once_settles_once() {
    let mut clinic = Clinic::new().await;
    clinic.service.start_worker();
    let (id, url) = id_of(&clinic.charge(70_000).await);
    let location = clinic.decide(&url, "approve").await;
    let uuid = Uuid::parse_str(&id).unwrap();
    let returns = (0..20).map(|_| async { clinic.come_back(&location).await.status().as_u16() });
    let checks =
        (0..20).map(|_| async { payment::check(&clinic.service.state, uuid).await.unwrap() });
    let hooks = (0..20).map(|_| clinic.webhook(&id, None, "payment.success"));
    let (pages, _, _) = tokio::join!(
        futures_util::future::join_all(returns),
        futures_util::future::join_all(checks),
        futures_util::future::join_all(hooks),
    );
    assert!(pages.iter().all(|status| *status == 200), "{pages:?}");
    assert_eq!(clinic.status_of(&id).await, "completed");
    assert_eq!(clinic.balance("wallet").await, 70_000);
    assert_eq!(
        clinic.events_named("payments.payment_settled").await.len(),
        1
    );
    clinic.books_are_right().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn q_m2_a_forged_webhook_settles_nothing() {
    let mut clinic = Clinic::new().await;
    clinic.service.start_worker();
    let (id, _) = id_of(&clinic.charge(70_000).await);
    clinic.webhook(&id, None, "payment.success").await;
    clinic
        .webhook(
            &Uuid::now_v7().to_string(),
            Some("pay_unknown"),
            "payment.success",
        )
        .await;
    eventually(PATIENCE, async || {
        clinic.number("SELECT count(*) FROM provider_events").await == 2
    })
    .await;
    eventually(PATIENCE, async || {
        clinic
            .number("SELECT count(*) FROM payments WHERE checks > 0")
            .await
            == 1
    })
    .await;
    assert_eq!(clinic.status_of(&id).await, "processing");
    assert_eq!(clinic.balance("wallet").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn q_m3_a_provider_that_lies_about_the_amount_credits_nothing() {
    let clinic = Clinic::new().await;
    let (id, url) = id_of(&clinic.charge(70_000).await);
    let location = clinic.decide(&url, "approve").await;
    for offset in [-1, 1, 630_000] {
        clinic.behave(&json!({"amount_offset": offset})).await;
        clinic.come_back(&location).await;
        assert_eq!(clinic.status_of(&id).await, "processing");
    }
    let under_review = "SELECT count(*) FROM payments WHERE review_reason = 'amount_mismatch'";
    assert_eq!(clinic.number(under_review).await, 1);
    assert_eq!(clinic.balance("wallet").await, 0);
    // Once it tells the truth the payment counts.
    clinic.behave(&json!({})).await;
    clinic.come_back(&location).await;
    assert_eq!(clinic.status_of(&id).await, "completed");
    assert_eq!(clinic.number(under_review).await, 0);
    clinic.books_are_right().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn q_m3_a_payment_of_another_order_does_not_count() {
    let clinic = Clinic::new().await;
    let (cheap, cheap_url) = id_of(&clinic.charge(10_000).await);
    let (dear, _) = id_of(&clinic.charge(900_000).await);
    let location = clinic.decide(&cheap_url, "approve").await;
    // The payer swaps the cheap payment's number into the dear one's return.
    let swapped = location.replace(&cheap, &dear);
    clinic.come_back(&swapped).await;
    assert_eq!(clinic.status_of(&dear).await, "processing");
    clinic.come_back(&location).await;
    assert_eq!(clinic.status_of(&cheap).await, "completed");
    assert_eq!(clinic.balance("wallet").await, 10_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn q_m3_unknown_stays_unknown_until_the_provider_answers() {
    let mut clinic = Clinic::new().await;
    let (id, url) = id_of(&clinic.charge(70_000).await);
    let location = clinic.decide(&url, "approve").await;
    clinic.behave(&json!({"fail_status_calls": 3})).await;
    let page = clinic.come_back(&location).await;
    assert_eq!(page.status(), 200);
    assert!(page.text().await.unwrap().contains("هنوز روشن نیست"));
    assert_eq!(clinic.status_of(&id).await, "processing");
    // Even long after its time: only the provider's word ends a payment.
    clinic.pass(TimeDelta::hours(2));
    clinic.service.start_worker();
    eventually(PATIENCE, async || {
        clinic
            .number("SELECT count(*) FROM payments WHERE checks >= 2")
            .await
            == 1
    })
    .await;
    assert_eq!(clinic.status_of(&id).await, "processing");
    // Q-M7: at most five minutes between two questions.
    eventually_stepping(
        &clinic.service.clock,
        TimeDelta::minutes(5),
        PATIENCE,
        async || clinic.status_of(&id).await == "completed",
    )
    .await;
    clinic.books_are_right().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn q_m3_without_any_hint_the_worker_finds_out() {
    let mut clinic = Clinic::new().await;
    clinic.service.start_worker();
    let (id, url) = id_of(&clinic.charge(70_000).await);
    clinic.decide(&url, "approve").await;
    clinic.pass(TimeDelta::seconds(20));
    clinic.becomes(&id, "completed").await;
    assert_eq!(clinic.balance("wallet").await, 70_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn q_m3_declined_and_unpaid_payments_end_without_money() {
    let mut clinic = Clinic::new().await;
    let (declined, url) = id_of(&clinic.charge(70_000).await);
    let location = clinic.decide(&url, "decline").await;
    let page = clinic.come_back(&location).await;
    assert!(page.text().await.unwrap().contains("پرداخت انجام نشد"));
    assert_eq!(clinic.status_of(&declined).await, "failed");

    let (unpaid, url) = id_of(&clinic.charge(80_000).await);
    clinic.service.start_worker();
    clinic.pass(TimeDelta::minutes(31));
    clinic.becomes(&unpaid, "expired").await;
    assert_eq!(
        clinic.events_named("payments.payment_failed").await.len(),
        2
    );
    assert_eq!(clinic.balance("wallet").await, 0);

    // Nobody listens to failures yet; they do not clog the outbox.
    let unsent = "SELECT count(*) FROM outbox_events WHERE published_at IS NULL \
                  AND name = 'payments.payment_failed'";
    eventually(PATIENCE, async || clinic.number(unsent).await == 0).await;
    // Money that comes after all is the payer's money: it counts.
    clinic.decide(&url, "approve").await;
    clinic.webhook(&unpaid, None, "payment.success").await;
    clinic.becomes(&unpaid, "completed").await;
    assert_eq!(clinic.balance("wallet").await, 80_000);
    clinic.books_are_right().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn q_m3_a_start_whose_answer_was_lost_is_found_at_the_provider() {
    let mut clinic = Clinic::new().await;
    // The provider opens the payment and answers after we stopped listening: written down here as a
    // pending payment that the provider knows by its order.
    let (id, url) = id_of(&clinic.charge(70_000).await);
    clinic.forget_the_answer(&id).await;
    clinic.decide(&url, "approve").await;
    clinic.service.start_worker();
    clinic.pass(TimeDelta::minutes(1));
    clinic.becomes(&id, "completed").await;
    clinic.books_are_right().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_returns_show_a_page() {
    let clinic = Clinic::new().await;
    for query in [
        "order_id=00000000-0000-7000-8000-000000000000",
        "provider=sandbox&payment_id=x",
        "",
        "x=%00",
    ] {
        let page = clinic
            .service
            .get(&format!("/api/v1/payments/return/?{query}"))
            .send()
            .await
            .unwrap();
        assert_eq!(page.status(), 404, "{query}");
        assert!(
            page.headers()["content-type"]
                .to_str()
                .unwrap()
                .starts_with("text/html")
        );
    }
}

impl Clinic {
    async fn forget_the_answer(&self, id: &str) {
        use diesel_async::SimpleAsyncConnection;
        let mut conn = self.db().get().await.unwrap();
        conn.batch_execute(&format!(
            "UPDATE payments SET status = 'pending', provider_reference = NULL, payment_url = NULL WHERE id = '{id}'"
        ))
        .await
        .unwrap();
    }
}
