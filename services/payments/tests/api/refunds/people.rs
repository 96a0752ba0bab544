//! Who may give back, and who must agree.

use common_types::ClinicRole;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{paid_invoice, refund, refund_becomes};
use crate::support::Clinic;

#[tokio::test(flavor = "multi_thread")]
async fn only_those_who_handle_money_give_it_back_and_only_their_own() {
    let clinic = Clinic::new().await;
    let payment = paid_invoice(&clinic, 10_000).await;
    let path = format!("/api/v1/payments/{payment}/refund/");
    let body = json!({"reason": "part"});
    for role in [ClinicRole::Doctor, ClinicRole::Secretary] {
        let token = clinic.token(Uuid::now_v7(), role);
        assert_eq!(clinic.keyed(&path, &token, "k", &body).await.status(), 403);
    }
    let foreign = clinic.service.issuer.access(|claims| {
        claims.org = Some(Uuid::now_v7());
        claims.clinic_role = Some(ClinicRole::Accountant);
    });
    assert_eq!(
        clinic.keyed(&path, &foreign, "k", &body).await.status(),
        404
    );
    assert_eq!(
        clinic.keyed(&path, "forged", "k", &body).await.status(),
        401
    );
    let made: Value = refund(&clinic, &payment, "k", &body)
        .await
        .json()
        .await
        .unwrap();
    let path = format!("/api/v1/refunds/{}/", made["id"].as_str().unwrap());
    assert_eq!(clinic.get(&path, &foreign).await.status(), 404);
    let list: Value = clinic
        .get("/api/v1/refunds/", &foreign)
        .await
        .json()
        .await
        .unwrap();
    assert_eq!(list["count"], 0);
    let list: Value = clinic
        .get(
            &format!("/api/v1/refunds/?payment_id={payment}"),
            &clinic.accountant_token(),
        )
        .await
        .json()
        .await
        .unwrap();
    assert_eq!(list["count"], 1);
    assert_eq!(clinic.audit_rows("refund.requested").await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn above_the_ceiling_a_second_person_decides() {
    let mut clinic =
        Clinic::with(|setup, _| setup.set("rules.refund_approval_above.xof", 5_000)).await;
    clinic.service.start_worker();
    let payment = paid_invoice(&clinic, 20_000).await;
    let ask = async |key: &str, amount: i64| -> String {
        let body = json!({"amount": amount, "reason": "large"});
        let made: Value = refund(&clinic, &payment, key, &body)
            .await
            .json()
            .await
            .unwrap();
        assert_eq!(
            made["status"],
            if amount > 5_000 {
                "awaiting_approval"
            } else {
                "processing"
            }
        );
        made["id"].as_str().unwrap().to_owned()
    };
    let small = ask("small", 5_000).await;
    refund_becomes(&clinic, &small, "succeeded").await;
    let (large, unwanted) = (ask("large", 6_000).await, ask("unwanted", 9_000).await);
    // What waits is set aside.
    let more = refund(
        &clinic,
        &payment,
        "more",
        &json!({"amount": 1, "reason": "more"}),
    )
    .await;
    assert_eq!(more.status(), 422);
    let decide = async |id: &str, what: &str, token: &str| {
        let path = format!("/api/v1/refunds/{id}/{what}/");
        clinic
            .post(&path, token, &json!({"reason": "checked"}))
            .await
            .status()
            .as_u16()
    };
    assert_eq!(
        decide(&large, "approve", &clinic.accountant_token()).await,
        403
    );
    let second = clinic.token(Uuid::now_v7(), ClinicRole::Admin);
    let approvals =
        futures_util::future::join_all((0..10).map(|_| decide(&large, "approve", &second))).await;
    assert_eq!(
        approvals.iter().filter(|status| **status == 200).count(),
        1,
        "{approvals:?}"
    );
    refund_becomes(&clinic, &large, "succeeded").await;
    assert_eq!(decide(&unwanted, "reject", &second).await, 200);
    assert_eq!(decide(&unwanted, "approve", &second).await, 409);
    assert_eq!(
        decide(&Uuid::now_v7().to_string(), "approve", &second).await,
        404
    );
    assert_eq!(clinic.status_of(&payment).await, "partially_refunded");
    assert_eq!(clinic.balance("invoice_receipts").await, 9_000);
    // The database itself knows the rule.
    let same = format!("UPDATE refunds SET decided_by = requested_by WHERE id = '{large}'");
    assert!(
        clinic
            .try_sql(&same)
            .await
            .unwrap_err()
            .contains("refunds_second_person")
    );
    clinic.books_are_right().await;
}
