//! Payouts: who may record them, and when they wait (Q-A8).

use chrono::{DateTime, TimeDelta, Utc};
use common_types::ClinicRole;
use reqwest::Response;
use serde_json::{Value, json};
use wiremock::{Mock, ResponseTemplate, matchers::path};

use crate::{refunds::paid_invoice, support::Clinic};

const PAYOUTS: &str = "/api/v1/payouts/";

/// What auth-otp says of the accountant from now on.
pub(crate) async fn held_until(clinic: &Clinic, until: Option<DateTime<Utc>>) {
    let mut user = json!({
        "id": clinic.accountant, "number": 7, "phone": "+221771234567", "full_name": "Fatou",
        "language": "fr", "organization_id": clinic.organization,
    });
    if let Some(until) = until {
        user["payouts_held_until"] = json!(until);
    }
    clinic.auth.reset().await;
    Mock::given(path(format!("/internal/users/{}", clinic.accountant)))
        .respond_with(ResponseTemplate::new(200).set_body_json(user))
        .mount(&clinic.auth)
        .await;
}

/// The accountant's token, with a code typed so long ago.
fn stepped_up(clinic: &Clinic, ago: TimeDelta) -> String {
    let at = (clinic.service.state.now() - ago).timestamp();
    clinic.service.issuer.access(|claims| {
        claims.sub = clinic.accountant;
        claims.org = Some(clinic.organization);
        claims.clinic_role = Some(ClinicRole::Accountant);
        claims.stepped_up_at = Some(at);
    })
}

pub(crate) async fn payout(clinic: &Clinic, key: &str, amount: i64) -> Response {
    let token = stepped_up(clinic, TimeDelta::zero());
    payout_with(clinic, &token, key, amount).await
}

async fn payout_with(clinic: &Clinic, token: &str, key: &str, amount: i64) -> Response {
    let body =
        json!({"provider": "sandbox", "amount": amount, "currency": "XOF", "bank_reference": key});
    clinic.keyed(PAYOUTS, token, key, &body).await
}

async fn code_of(answer: Response) -> (u16, String) {
    let status = answer.status().as_u16();
    let body: Value = answer.json().await.unwrap();
    (status, body["code"].as_str().unwrap_or_default().to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn q_a8_payouts_wait_after_a_change_of_phone_and_when_nobody_can_tell() {
    let clinic = Clinic::new().await;
    paid_invoice(&clinic, 40_000).await;
    // auth-otp says nothing: nothing is recorded.
    let unchecked = payout(&clinic, "a", 1_000).await;
    assert!(matches!(unchecked.status().as_u16(), 403 | 503));
    let until = clinic.service.state.now() + TimeDelta::days(3);
    held_until(&clinic, Some(until)).await;
    let held = payout(&clinic, "a", 1_000).await;
    assert_eq!(held.status(), 409);
    let held: Value = held.json().await.unwrap();
    assert_eq!(
        (&held["code"], &held["held_until"]),
        (&json!("payout.held"), &json!(until))
    );
    assert_eq!(clinic.balance("bank").await, 0);
    // The day has come; the same request goes through, once.
    clinic.pass(TimeDelta::days(3) + TimeDelta::seconds(1));
    for _ in 0..2 {
        assert_eq!(payout(&clinic, "a", 1_000).await.status(), 201);
    }
    assert_eq!(clinic.balance("bank").await, -1_000);
    clinic.books_are_right().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn q_a8_a_payout_needs_a_fresh_code() {
    let clinic = Clinic::new().await;
    held_until(&clinic, None).await;
    paid_invoice(&clinic, 40_000).await;
    let never = clinic.accountant_token();
    let stale = stepped_up(&clinic, TimeDelta::minutes(6));
    for token in [never, stale] {
        let refused = code_of(payout_with(&clinic, &token, "a", 1_000).await).await;
        assert_eq!(refused, (403, "auth.step_up_required".to_owned()));
    }
    let fresh = stepped_up(&clinic, TimeDelta::minutes(4));
    let recorded = payout_with(&clinic, &fresh, "a", 1_000).await;
    assert_eq!(recorded.status(), 201);
}
