//! Which vendor a payment is started with, and when it moves to another one.

use provider_simulators::checkout::Faults;

use crate::{
    support::Clinic,
    vendors::{check, enabled, start},
};

async fn two_vendors(first: &'static str, second: &'static str) -> Clinic {
    Clinic::with(|setup, simulators| {
        let setup = enabled(setup, simulators, first).set("provider", first);
        enabled(setup, simulators, second)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_moves_to_the_next_vendor_before_the_payer_is_sent_away() {
    for (faults, orphans) in [
        (
            Faults {
                fail_calls: 9,
                ..Faults::default()
            },
            0,
        ),
        // Opened there, but the answer was lost: nobody is ever shown that page.
        (
            Faults {
                lose_answers: 1,
                ..Faults::default()
            },
            1,
        ),
    ] {
        let clinic = two_vendors("zarinpal", "payping").await;
        clinic.provider.state.zarinpal.set_faults(faults);
        let (status, id, page) = start(&clinic, "zarinpal", 50_000, "k").await;
        assert_eq!(status, 201);
        assert!(page.contains("/dev/payping/"), "{page}");
        assert_eq!(clinic.provider.state.zarinpal.list(|_| true).len(), orphans);
        let location = clinic.decide(&page, "approve").await;
        clinic.come_back(&location).await;
        let paid = check(&clinic, &id).await;
        assert_eq!(
            (paid.status.as_str(), paid.provider.as_str()),
            ("completed", "payping")
        );
        assert_eq!(clinic.balance("clearing:payping").await, -50_000);
        clinic.books_are_right().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_never_moves_after_the_payer_was_sent_away() {
    let clinic = two_vendors("zarinpal", "payping").await;
    let (_, id, page) = start(&clinic, "zarinpal", 50_000, "k").await;
    clinic.provider.state.zarinpal.set_faults(Faults {
        fail_calls: 5,
        ..Faults::default()
    });
    for _ in 0..3 {
        check(&clinic, &id).await;
    }
    assert_eq!(check(&clinic, &id).await.provider, "zarinpal");
    assert!(clinic.provider.state.payping.list(|_| true).is_empty());
    clinic.provider.state.zarinpal.set_faults(Faults::default());
    let location = clinic.decide(&page, "approve").await;
    clinic.come_back(&location).await;
    assert_eq!(clinic.status_of(&id).await, "completed");
    clinic.books_are_right().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vendor_that_does_not_answer_becomes_the_last_choice() {
    let clinic = two_vendors("zarinpal", "payping").await;
    clinic.provider.state.zarinpal.set_faults(Faults {
        fail_calls: 3,
        ..Faults::default()
    });
    for amount in [50_000, 60_000, 70_000] {
        start(&clinic, "zarinpal", amount, "k").await;
    }
    // It would answer now, and is not asked: three silences in a row are enough for half a minute.
    let (_, id, _) = start(&clinic, "zarinpal", 80_000, "k").await;
    assert_eq!(check(&clinic, &id).await.provider, "payping");
    assert!(clinic.provider.state.zarinpal.list(|_| true).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_price_finds_its_vendor_by_currency_amount_and_rule() {
    let rules =
        r#"[{ currency = "IRR", min_amount = 1000000, providers = ["payping", "zarinpal"] }]"#;
    let clinic = Clinic::with(|setup, simulators| {
        let setup = enabled(setup, simulators, "zarinpal").set("provider", "zarinpal");
        let setup = enabled(setup, simulators, "payping");
        enabled(setup, simulators, "wave").set("routes", rules)
    })
    .await;
    for (vendor, amount, expected) in [
        ("zarinpal", 50_000, "zarinpal"),
        ("zarinpal", 1_000_000, "payping"),
        // Not a whole number of tomans: PayPing does not take it.
        ("zarinpal", 1_000_001, "zarinpal"),
        ("wave", 50_000, "wave"),
    ] {
        let (status, id, _) = start(&clinic, vendor, amount, &format!("k{amount}")).await;
        assert_eq!(status, 201, "{amount}");
        assert_eq!(check(&clinic, &id).await.provider, expected, "{amount}");
    }
    // More than ZarinPal takes, and PayPing takes no broken tomans.
    let (status, _, _) = start(&clinic, "zarinpal", 1_000_000_001, "k").await;
    assert_eq!(status, 422);
}
