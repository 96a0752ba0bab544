//! What vendors do after a payment: give back, and list what was paid.

use chrono::TimeDelta;
use common_types::Money;
use payments::providers::{Asked, Order, ProviderError, RefundOrder, RefundState};
use provider_simulators::checkout::{Faults, SessionState};
use uuid::Uuid;

use crate::vendors::{check, clinic, start, vendor_of};

#[tokio::test(flavor = "multi_thread")]
async fn vendors_give_back_what_they_took_and_not_twice() {
    for vendor in ["stripe", "wave", "zarinpal"] {
        let clinic = clinic(vendor).await;
        let (_, id, page) = start(&clinic, vendor, 50_000, "k").await;
        let location = clinic.decide(&page, "approve").await;
        clinic.come_back(&location).await;
        let paid = check(&clinic, &id).await;
        let provider = clinic.service.state.providers.get(vendor).unwrap();
        let refunds = provider.refunds().unwrap();
        let order = |number: u128, amount: i64| RefundOrder {
            id: Uuid::from_u128(number),
            payment: Asked {
                id: paid.id,
                reference: paid.provider_reference.as_deref().unwrap(),
                price: paid.price,
                hints: &paid.hints,
            },
            price: Money::new(amount, paid.price.currency),
            reason: "a visit that did not happen",
        };
        let before = refunds.refund_status(order(1, 20_000), None).await;
        assert!(
            !matches!(before, Ok(Some(_))),
            "{vendor}: nothing went back yet"
        );
        let part = refunds.refund(order(1, 20_000)).await;
        if vendor != "stripe" {
            assert!(
                matches!(part, Err(ProviderError::Refused(_))),
                "{vendor}: only whole payments"
            );
            let lost = Faults {
                lose_answers: 1,
                ..Faults::default()
            };
            vendor_of(&clinic, vendor).set_faults(lost);
            assert!(matches!(
                refunds.refund(order(2, 50_000)).await,
                Err(ProviderError::Unknown(_))
            ));
        } else {
            let part = part.unwrap();
            assert_eq!((part.state, part.amount), (RefundState::Done, Some(20_000)));
            let found = refunds
                .refund_status(order(1, 20_000), None)
                .await
                .unwrap()
                .unwrap();
            let shown = refunds
                .refund_status(order(1, 20_000), Some(&part.reference))
                .await
                .unwrap();
            assert_eq!((&found, shown.as_ref()), (&part, Some(&part)));
            assert_eq!(
                refunds.refund(order(1, 20_000)).await.unwrap(),
                part,
                "the same refund"
            );
            let rest = refunds.refund(order(2, 30_001)).await;
            assert!(
                matches!(rest, Err(ProviderError::Refused(_))),
                "more than is left"
            );
            continue;
        }
        for _ in 0..2 {
            let whole = refunds.refund(order(2, 50_000)).await.unwrap();
            assert_eq!(
                (whole.state, whole.amount),
                (RefundState::Done, Some(50_000)),
                "{vendor}"
            );
        }
        let status = refunds
            .refund_status(order(2, 50_000), None)
            .await
            .unwrap()
            .unwrap();
        assert_eq!(status.state, RefundState::Done, "{vendor}");
        let session = &vendor_of(&clinic, vendor).list(|_| true)[0];
        assert!(
            session.refunded() == 50_000 || session.state == SessionState::Reversed,
            "{vendor}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn stripe_lists_what_was_paid_page_by_page() {
    let clinic = clinic("stripe").await;
    let stripe = clinic.service.state.providers.get("stripe").unwrap();
    let mut paid = Vec::new();
    for number in 0..103 {
        let order = Order {
            id: Uuid::now_v7(),
            price: Money::new(50_000 + number, common_types::Currency::Xof),
            description: "visit".to_owned(),
        };
        let opened = stripe.open(&order).await.unwrap();
        if number % 50 == 0 {
            clinic.decide(&opened.payment_url, "approve").await;
            paid.push((opened.reference, order));
        }
    }
    let (reference, order) = &paid[1];
    let asked = Asked {
        id: order.id,
        reference,
        price: order.price,
        hints: &[],
    };
    let back = RefundOrder {
        id: Uuid::now_v7(),
        payment: asked,
        price: Money::new(7, order.price.currency),
        reason: "",
    };
    stripe.refunds().unwrap().refund(back).await.unwrap();
    let now = chrono::Utc::now();
    let list = stripe.settlements().unwrap();
    let mut lines = list
        .settled_between(now - TimeDelta::hours(1), now + TimeDelta::hours(1))
        .await
        .unwrap();
    lines.sort_by_key(|line| line.amount);
    let seen: Vec<_> = lines
        .iter()
        .map(|line| (line.reference.as_str(), line.amount, line.refunded))
        .collect();
    let expected = [
        (paid[0].0.as_str(), 50_000, 0),
        (reference.as_str(), 50_050, 7),
        (paid[2].0.as_str(), 50_100, 0),
    ];
    assert_eq!(seen, expected);
    assert_eq!(lines[0].order_id, Some(paid[0].1.id.to_string()));
    assert_eq!(lines[0].currency, "XOF");
    vendor_of(&clinic, "stripe").set_faults(Faults {
        garble_calls: 1,
        ..Faults::default()
    });
    let broken = list.settled_between(now - TimeDelta::hours(1), now).await;
    assert!(
        matches!(broken, Err(ProviderError::Unknown(_))),
        "half a list is none"
    );
}
