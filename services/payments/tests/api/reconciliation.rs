//! Provider, payments and ledger, compared.

use payments::{reconciliation, refund::run_due_refunds};
use serde_json::json;

use crate::{
    invariants::without_guards,
    refunds::{paid_charge, paid_invoice, refund},
    support::Clinic,
};

#[tokio::test(flavor = "multi_thread")]
async fn the_providers_day_is_compared_and_its_differences_told_apart() {
    let clinic = Clinic::new().await;
    let settled = paid_charge(&clinic, 30_000).await;
    // Paid, but nobody told us: no difference, the look settles it.
    let untold = clinic.charge(31_000).await;
    clinic
        .decide(untold["payment_url"].as_str().unwrap(), "approve")
        .await;
    let state = &clinic.service.state;
    let today = state.now().date_naive();
    let look = async || {
        reconciliation::reconcile_provider(state, "sandbox", today)
            .await
            .unwrap()
    };
    assert_eq!(look().await, 0);
    assert_eq!(
        clinic
            .status_of(untold["transaction_id"].as_str().unwrap())
            .await,
        "completed"
    );
    // The provider names another amount.
    clinic.behave(&json!({"amount_offset": 7})).await;
    assert_eq!(look().await, 2);
    clinic.behave(&json!({})).await;
    // A payment we know nothing of.
    without_guards(
        &clinic,
        &format!("UPDATE payments SET provider_reference = 'other' WHERE id = '{settled}'"),
    )
    .await;
    clinic.unknown_at_the_provider(12_345).await;
    look().await;
    let kinds = "SELECT count(*) FROM reconciliation_exceptions WHERE kind = ";
    assert_eq!(clinic.number(&format!("{kinds}'amount_differs'")).await, 2);
    assert_eq!(
        clinic
            .number(&format!("{kinds}'missing_here' AND found = 12345"))
            .await,
        1
    );
    // Adjusting books the difference against its own account.
    let row = clinic
        .text("SELECT id::text FROM reconciliation_exceptions WHERE found = 30007")
        .await;
    let path = format!("/api/v1/reconciliation/exceptions/{row}/resolve/");
    let done = clinic
        .post(
            &path,
            &clinic.accountant_token(),
            &json!({"action": "adjust", "reason": "fee back"}),
        )
        .await;
    assert_eq!(done.status(), 200);
    assert_eq!(clinic.balance("differences").await, 7);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_found_before_a_provider_fell_silent_is_kept() {
    let clinic = Clinic::new().await;
    let lied_about = paid_charge(&clinic, 30_000).await;
    // In no list: each of these is asked about one by one.
    for number in 0..5 {
        let id = paid_charge(&clinic, 40_000 + number).await;
        let unlist =
            format!("UPDATE payments SET provider_reference = 'gone-{number}' WHERE id = '{id}'");
        without_guards(&clinic, &unlist).await;
    }
    let state = &clinic.service.state;
    let today = state.now().date_naive();
    clinic
        .behave(&json!({"amount_offset": 7, "fail_status_calls": 1_000}))
        .await;
    reconciliation::reconcile_provider(state, "sandbox", today)
        .await
        .unwrap();
    let open = format!(
        "SELECT count(*) FROM reconciliation_exceptions WHERE status = 'open' AND payment_id = '{lied_about}'"
    );
    assert_eq!(clinic.number(&open).await, 1);
    let outcome = "SELECT outcome FROM reconciliation_runs WHERE provider = 'sandbox'";
    assert_eq!(clinic.text(outcome).await, "unanswered");
    // One question without an answer hides none of those after it.
    clinic.behave(&json!({"fail_status_calls": 1})).await;
    reconciliation::reconcile_provider(state, "sandbox", today)
        .await
        .unwrap();
    let missing = "SELECT count(*) FROM reconciliation_exceptions WHERE kind = 'missing_there'";
    assert_eq!(clinic.number(missing).await, 4);
    assert_eq!(clinic.text(outcome).await, "unanswered");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refund_between_the_providers_list_and_our_reading_is_no_difference() {
    let clinic = Clinic::new().await;
    let payment = paid_invoice(&clinic, 30_000).await;
    let part = json!({"amount": 1_000, "reason": "part"});
    let asked = refund(&clinic, &payment, "k", &part).await;
    assert_eq!(asked.status(), 201);
    let state = &clinic.service.state;
    while run_due_refunds(state).await.unwrap() > 0 {}
    assert_eq!(clinic.refunded_at_the_provider(&payment).await, 1_000);
    let today = state.now().date_naive();
    // Each list that was written too early, and what is found: one is asked for a second time, two lie.
    for (early, found) in [(1, 0), (2, 1)] {
        clinic.behave(&json!({"lists_before_refunds": early})).await;
        let differences = reconciliation::reconcile_provider(state, "sandbox", today).await;
        assert_eq!(differences.unwrap(), found);
        let kept =
            "SELECT count(*) FROM reconciliation_exceptions WHERE kind = 'refund_missing_there'";
        assert_eq!(clinic.number(kept).await, found);
    }
}
