//! Q-M2: many copies of many events, in every order.

use common_types::events::integrations::WebhookReceived;
use futures_util::StreamExt;
use payments::payment;
use service_db::DbError;
use uuid::Uuid;

use crate::support::Clinic;

fn event(order: &str, kind: &str) -> WebhookReceived {
    WebhookReceived {
        webhook_event_id: Uuid::now_v7(),
        aggregate_version: 1,
        organization_id: None,
        endpoint: "payment-status".into(),
        provider_slug: "sandbox".into(),
        event_type: kind.into(),
        provider_reference: None,
        order_reference: Some(order.to_owned()),
        received_at: chrono::Utc::now(),
    }
}

async fn receive(clinic: &Clinic, event: &WebhookReceived) {
    let state = &clinic.service.state;
    let received = clinic.db().transaction(async |conn| {
        Ok::<_, DbError>(payment::receive_webhook(conn, state, event).await?)
    });
    received.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn q_m2_a_thousand_events_in_fifty_copies_each_credit_once() {
    let clinic = Clinic::new().await;
    let starts = futures_util::stream::iter(0..100_i64).map(|number| {
        let clinic = &clinic;
        async move {
            let started = clinic.charge(20_000 + number).await;
            clinic
                .decide(started["payment_url"].as_str().unwrap(), "approve")
                .await;
            started["transaction_id"].as_str().unwrap().to_owned()
        }
    });
    let orders: Vec<String> = starts.buffer_unordered(16).collect().await;
    let kinds = [
        "payment.created",
        "payment.success",
        "payment.failed",
        "payment.refunded",
    ];
    let events: Vec<WebhookReceived> = (0..1_000)
        .map(|number| event(&orders[number % orders.len()], kinds[number % kinds.len()]))
        .collect();
    let deliveries = futures_util::stream::iter(0..50_000).for_each_concurrent(10, |number| {
        // Copies lie far apart, each with another neighbour.
        let event = &events[(number * 7_919) % events.len()];
        let clinic = &clinic;
        async move { receive(clinic, event).await }
    });
    let asking = async {
        for _ in 0..200 {
            payment::run_due_checks(&clinic.service.state)
                .await
                .unwrap();
            tokio::task::yield_now().await;
        }
    };
    tokio::join!(deliveries, asking);
    while payment::run_due_checks(&clinic.service.state)
        .await
        .unwrap()
        > 0
    {}
    assert_eq!(
        clinic.number("SELECT count(*) FROM provider_events").await,
        1_000
    );
    assert_eq!(
        clinic
            .number("SELECT count(*) FROM payments WHERE status = 'completed'")
            .await,
        100
    );
    let expected: i64 = (0..100).map(|number| 20_000 + number).sum();
    assert_eq!(clinic.balance("wallet").await, expected);
    clinic.books_are_right().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn q_m2_all_orders_of_created_paid_failed_and_refunded_end_the_same() {
    let clinic = Clinic::new().await;
    let kinds = [
        "payment.created",
        "payment.success",
        "payment.failed",
        "payment.refunded",
    ];
    let mut orders = 0;
    for code in 0..256_usize {
        let order = [code & 3, (code >> 2) & 3, (code >> 4) & 3, (code >> 6) & 3];
        let mut sorted = order;
        sorted.sort_unstable();
        if sorted != [0, 1, 2, 3] {
            continue;
        }
        orders += 1;
        let started = clinic.charge(20_000 + orders).await;
        let id = started["transaction_id"].as_str().unwrap();
        let mut statuses = vec![clinic.status_of(id).await];
        for (at, kind) in order.into_iter().enumerate() {
            if at == 2 {
                // Between the events, in whatever order they claim to be, the payer pays.
                clinic
                    .decide(started["payment_url"].as_str().unwrap(), "approve")
                    .await;
            }
            receive(&clinic, &event(id, kinds[kind])).await;
            payment::run_due_checks(&clinic.service.state)
                .await
                .unwrap();
            statuses.push(clinic.status_of(id).await);
        }
        assert_eq!(
            statuses,
            [
                "processing",
                "processing",
                "processing",
                "completed",
                "completed"
            ],
            "{order:?}"
        );
    }
    assert_eq!(orders, 24);
    assert_eq!(
        clinic.balance("wallet").await,
        (1..=24).map(|number| 20_000 + number).sum::<i64>()
    );
    assert_eq!(
        clinic.events_named("payments.payment_settled").await.len(),
        24
    );
    clinic.books_are_right().await;
}
