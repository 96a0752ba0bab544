//! The points at which `serve` dies while it settles many payments of one wallet in one transaction.

use futures_util::future::join_all;
use serde_json::json;

use super::{
    sound,
    victim::{Victim, answered, issuer},
};
use crate::{refunds::paid_charge, support::Clinic};

const PAY: &str = "/api/v1/wallet/pay/";
const PRICE: i64 = 10;
/// Requests at once, and how often at most until one of the points is visited.
const AT_ONCE: usize = 16;
const ROUNDS: usize = 50;

/// All of them.
pub(super) const DRIVEN: [&[&str]; 1] = [&TOGETHER];

/// In the order in which a batch passes them; the last when it is done and nobody was told.
const TOGETHER: [&str; 4] = [
    "wallet.together_after_payments",
    "wallet.together_after_answers",
    "wallet.together_before_commit",
    "wallet.together_after_commit",
];

/// What the process that is going to die answered, if it did.
async fn asked(victim: &Victim, token: &str, key: &str) -> Option<(u16, Vec<u8>)> {
    let request = reqwest::Client::new()
        .post(format!("http://127.0.0.1:{}{PAY}", victim.port))
        .bearer_auth(token)
        .header("Idempotency-Key", key)
        .json(&json!({"amount": PRICE, "description": "x"}));
    let answer = request.send().await.ok()?;
    let status = answer.status().as_u16();
    Some((status, answer.bytes().await.ok()?.to_vec()))
}

#[tokio::test(flavor = "multi_thread")]
async fn q_m4_killed_while_many_payments_of_a_wallet_are_settled_together_each_is_done_once() {
    let clinic = Clinic::new().await;
    let jwks = issuer(&clinic).await;
    paid_charge(&clinic, 5_000_000).await;
    let token = clinic.doctor_token();
    let paid = "SELECT count(*) FROM payments WHERE provider = 'wallet'";
    let kept = "SELECT count(*) FROM idempotency_keys WHERE route = '/api/v1/wallet/pay/'";
    for point in TOGETHER {
        let before = clinic.now_and_fingerprint().await;
        let (held, paid_before) = (clinic.balance("wallet").await, clinic.number(paid).await);
        let victim = Victim::start(&clinic, &jwks, "serve", point).await;
        let mut history = Vec::new();
        for round in 0..ROUNDS {
            let keys = (0..AT_ONCE).map(|number| format!("{point}-{round}-{number}"));
            let keys: Vec<String> = keys.collect();
            let answers = join_all(keys.iter().map(|key| asked(&victim, &token, key))).await;
            history.extend(keys.into_iter().zip(answers));
            if history.iter().any(|(_, answer)| answer.is_none()) {
                break;
            }
        }
        victim.dies(point).await;
        // 503 is a busy database: nothing was done.
        let is_told = |answer: &Option<(u16, Vec<u8>)>| matches!(answer, Some((201, _)));
        let told = history.iter().filter(|(_, answer)| is_told(answer)).count();
        let told = i64::try_from(told).unwrap();
        // All of the batch, or nothing of it: payments, ledger, events and kept answers agree.
        sound(&clinic, &before, point).await;
        let done = clinic.number(paid).await - paid_before;
        assert_eq!(clinic.number(kept).await, paid_before + done, "{point}");
        assert_eq!(
            clinic.balance("wallet").await,
            held - done * PRICE,
            "{point}"
        );
        match point {
            // Two at least: one alone does not pass here.
            "wallet.together_after_commit" => assert!(done >= told + 2, "{point}: {done}, {told}"),
            _ => assert!(done >= told, "{point}: {done}, {told}"),
        }
        // The same requests end it, and what was answered stays the same (INV6).
        let body = json!({"amount": PRICE, "description": "x"});
        for (key, before) in &history {
            let now = answered(&clinic, (PAY, &token), key, &body).await;
            assert_eq!(now.0, 201, "{point}");
            if let Some(before) = before.as_ref().filter(|(status, _)| *status == 201) {
                assert_eq!(&now, before, "{point}: INV6");
            }
        }
        let all = i64::try_from(history.len()).unwrap();
        assert_eq!(clinic.number(paid).await, paid_before + all, "{point}");
        assert_eq!(
            clinic.balance("wallet").await,
            held - all * PRICE,
            "{point}"
        );
        sound(&clinic, &before, point).await;
    }
}
