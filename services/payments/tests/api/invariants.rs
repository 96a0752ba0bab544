//! The checker of the invariants, shown to fail when a guard is gone; planted differences (Q-M7).

use common_types::ClinicRole;
use payments::reconciliation;
use serde_json::{Value, json};
use service_testing::eventually;
use uuid::Uuid;

use crate::{
    payouts::{held_until, payout},
    refunds::{paid_charge, paid_invoice, refund},
    support::{Clinic, PATIENCE},
};

/// Breaks something as the database's owner with every guard off.
pub(crate) async fn without_guards(clinic: &Clinic, sql: &str) {
    clinic
        .as_owner(&format!("SET session_replication_role = replica; {sql}"))
        .await;
}

/// Makes every kept answer that names one id name another.
fn swapped_in_answers(id: &str, other: &str) -> String {
    format!(
        "UPDATE idempotency_keys SET body = convert_to(replace(convert_from(body, 'UTF8'), '{id}', '{other}'), 'UTF8')"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn q_m5_the_checker_fails_when_a_guard_is_removed() {
    let clinic = Clinic::new().await;
    let payment = paid_charge(&clinic, 50_000).await;
    let keyed = paid_invoice(&clinic, 10_000).await;
    let other = Uuid::now_v7();
    clinic.books_are_right().await;
    let kinds = async || -> Vec<String> {
        let mut kinds: Vec<_> = clinic
            .differences()
            .await
            .into_iter()
            .map(|found| found.kind)
            .collect();
        kinds.sort_unstable();
        kinds.dedup();
        kinds
    };
    for (break_it, mend_it, expected) in [
        (
            "UPDATE ledger_entries SET amount = amount + 1 WHERE amount > 0".to_owned(),
            "UPDATE ledger_entries SET amount = amount - 1 WHERE amount > 0".to_owned(),
            "transfer_unbalanced",
        ),
        (
            "UPDATE ledger_accounts SET balance = balance + 5 WHERE code = 'wallet'".to_owned(),
            "UPDATE ledger_accounts SET balance = balance - 5 WHERE code = 'wallet'".to_owned(),
            "balance_differs",
        ),
        (
            "UPDATE ledger_entries SET balance_after = 1 WHERE amount > 0".to_owned(),
            "UPDATE ledger_entries SET balance_after = amount WHERE amount > 0".to_owned(),
            "line_differs",
        ),
        (
            format!("UPDATE ledger_transfers SET reference = 'x' WHERE reference = '{payment}'"),
            format!("UPDATE ledger_transfers SET reference = '{payment}' WHERE reference = 'x'"),
            "not_booked",
        ),
        (
            format!(
                "UPDATE payments SET status = 'processing', completed_at = NULL WHERE id = '{payment}'"
            ),
            format!(
                "UPDATE payments SET status = 'completed', completed_at = now() WHERE id = '{payment}'"
            ),
            "booked_without_payment",
        ),
        (
            format!("UPDATE payments SET refund_reserved = 10 WHERE id = '{payment}'"),
            format!("UPDATE payments SET refund_reserved = 0 WHERE id = '{payment}'"),
            "refund_differs",
        ),
        (
            swapped_in_answers(&keyed, &other.to_string()),
            swapped_in_answers(&other.to_string(), &keyed),
            "answer_without_effect",
        ),
        (
            "UPDATE outbox_events SET name = 'x' WHERE name = 'payments.payment_settled'"
                .to_owned(),
            "UPDATE outbox_events SET name = 'payments.payment_settled' WHERE name = 'x'"
                .to_owned(),
            "not_told",
        ),
    ] {
        without_guards(&clinic, &break_it).await;
        assert!(kinds().await.contains(&expected.to_owned()), "{expected}");
        without_guards(&clinic, &mend_it).await;
        clinic.books_are_right().await;
    }
    // With the guards on, the owner himself cannot unbalance a transfer.
    let now = Uuid::now_v7();
    let before = clinic.fingerprint(now).await;
    without_guards(
        &clinic,
        "UPDATE ledger_entries SET created_at = created_at + interval '1 microsecond'",
    )
    .await;
    assert_ne!(
        clinic.fingerprint(now).await,
        before,
        "INV3 sees any change"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn q_m7_a_planted_difference_alarms_within_a_minute_and_blocks_payouts_until_resolved() {
    let mut clinic = Clinic::with(|setup, _| setup.set("reconciliation.every_seconds", 1)).await;
    held_until(&clinic, None).await;
    let payment = paid_invoice(&clinic, 40_000).await;
    let healthy = paid_invoice(&clinic, 10_000).await;
    assert_eq!(payout(&clinic, "b-1", 5_000).await.status(), 201);
    assert_eq!(
        payout(&clinic, "b-1", 5_000).await.headers()["idempotency-replayed"],
        "true"
    );
    assert_eq!(payout(&clinic, "b-2", 50_000).await.status(), 422);
    assert_eq!(clinic.balance("bank").await, -5_000);
    reconciliation::reconcile_recent(&clinic.service.state)
        .await
        .unwrap();
    assert_eq!(
        clinic
            .number("SELECT count(*) FROM reconciliation_exceptions")
            .await,
        0
    );

    // Somebody deletes the credit.
    without_guards(&clinic, &format!(
        "DELETE FROM ledger_entries WHERE amount > 0 AND transfer_id = (SELECT id FROM ledger_transfers WHERE reference = '{payment}')"
    )).await;
    clinic.service.start_worker();
    eventually(PATIENCE, async || {
        clinic
            .events_named("payments.reconciliation_alarmed")
            .await
            .len()
            == 3
    })
    .await;
    let alarms = clinic.events_named("payments.reconciliation_alarmed").await;
    let mut kinds: Vec<&str> = alarms
        .iter()
        .map(|alarm| alarm["kind"].as_str().unwrap())
        .collect();
    kinds.sort_unstable();
    // The daily look over everything also sees the account.
    assert_eq!(
        kinds,
        ["balance_differs", "not_booked", "transfer_unbalanced"]
    );
    let blocked = payout(&clinic, "b-3", 1_000).await;
    assert_eq!(blocked.status(), 409);
    assert_eq!(
        blocked.json::<Value>().await.unwrap()["code"],
        "payout.blocked"
    );
    let given = refund(&clinic, &payment, "r", &json!({"reason": "x"})).await;
    assert_eq!(
        given.json::<Value>().await.unwrap()["code"],
        "refund.blocked"
    );
    assert_eq!(
        refund(&clinic, &healthy, "r", &json!({"reason": "x"}))
            .await
            .status(),
        201
    );

    let today = clinic.service.state.now().date_naive();
    let token = clinic.accountant_token();
    for prefix in ["/crazyminer", "/api/v1"] {
        let path = format!("{prefix}/reconciliation/{today}/");
        let day: Value = clinic.get(&path, &token).await.json().await.unwrap();
        assert_eq!(
            (&day["outcome"], &day["date"]),
            (&json!("exceptions"), &json!(today))
        );
        assert_eq!(day["exceptions"].as_array().unwrap().len(), 3);
        assert!(
            day["runs"]
                .as_array()
                .unwrap()
                .iter()
                .any(|run| run["provider"] == "sandbox" && run["source"] == "list")
        );
        assert_eq!(
            clinic.get(&path, &clinic.doctor_token()).await.status(),
            403
        );
    }
    let list: Value = clinic
        .get(
            "/api/v1/reconciliation/exceptions/?status=open&page_size=1",
            &token,
        )
        .await
        .json()
        .await
        .unwrap();
    assert_eq!(list["count"], 3);
    let foreign = clinic.service.issuer.access(|claims| {
        claims.org = Some(Uuid::now_v7());
        claims.clinic_role = Some(ClinicRole::Admin);
    });
    let none: Value = clinic
        .get("/api/v1/reconciliation/exceptions/", &foreign)
        .await
        .json()
        .await
        .unwrap();
    assert_eq!(none["count"], 0);
    // Resolving needs a reason, is done once, and frees the payouts.
    let all: Value = clinic
        .get("/api/v1/reconciliation/exceptions/", &token)
        .await
        .json()
        .await
        .unwrap();
    for row in all["results"].as_array().unwrap() {
        let path = format!(
            "/api/v1/reconciliation/exceptions/{}/resolve/",
            row["id"].as_str().unwrap()
        );
        let with = async |token: &str, body: Value| {
            clinic.post(&path, token, &body).await.status().as_u16()
        };
        assert_eq!(
            with(&token, json!({"action": "accept", "reason": ""})).await,
            400
        );
        assert_eq!(
            with(&token, json!({"action": "shrug", "reason": "x"})).await,
            400
        );
        assert_eq!(
            with(&foreign, json!({"action": "accept", "reason": "x"})).await,
            404
        );
        if row["kind"] == "not_booked" {
            assert_eq!(
                with(&token, json!({"action": "recheck", "reason": "x"})).await,
                409
            );
        }
        assert_eq!(
            with(
                &token,
                json!({"action": "accept", "reason": "restored by hand"})
            )
            .await,
            200
        );
        assert_eq!(
            with(&token, json!({"action": "accept", "reason": "x"})).await,
            409
        );
    }
    assert_eq!(clinic.audit_rows("reconciliation.resolved").await.len(), 3);
    assert_eq!(payout(&clinic, "b-4", 1_000).await.status(), 201);
    // What a person accepted with these amounts is not raised again.
    reconciliation::reconcile_recent(&clinic.service.state)
        .await
        .unwrap();
    assert_eq!(
        clinic
            .events_named("payments.reconciliation_alarmed")
            .await
            .len(),
        3
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn q_m7_an_added_credit_alarms_and_blocks_payouts() {
    let mut clinic = Clinic::with(|setup, _| setup.set("reconciliation.every_seconds", 1)).await;
    held_until(&clinic, None).await;
    let payment = paid_invoice(&clinic, 40_000).await;
    // Somebody books a second, invented settlement between the same accounts.
    let (transfer, invented) = (Uuid::now_v7(), Uuid::now_v7());
    clinic
        .as_owner(&format!(
            "BEGIN; INSERT INTO ledger_transfers (id, organization_id, kind, reference, created_at) \
             VALUES ('{transfer}', '{}', 'settlement', '{invented}', now()); \
             INSERT INTO ledger_entries (id, transfer_id, account_id, amount, currency, created_at) \
             SELECT gen_random_uuid(), '{transfer}', e.account_id, e.amount, e.currency, now() FROM ledger_entries e \
             JOIN ledger_transfers t ON t.id = e.transfer_id WHERE t.reference = '{payment}'; COMMIT",
            clinic.organization
        ))
        .await;
    clinic.service.start_worker();
    eventually(PATIENCE, async || {
        let alarms = clinic.events_named("payments.reconciliation_alarmed").await;
        alarms
            .iter()
            .any(|alarm| alarm["kind"] == "booked_without_payment" && alarm["found"] == 40_000)
    })
    .await;
    assert_eq!(payout(&clinic, "b", 1_000).await.status(), 409);
    assert_eq!(clinic.balance("bank").await, 0);
}
