//! Those that cannot be settled with the others, and batches that fail.

use std::collections::HashSet;

use futures_util::future::join_all;
use payments::Payments;
use serde_json::Value;
use service_testing::{ServiceSetup, TestService, eventually};

use super::{
    Held, PAY, PAYMENTS, TRANSACTIONS, answers, gathered, in_a_lane, payments_of, price, standing,
    statuses,
};
use crate::{
    refunds::paid_charge,
    support::{Clinic, PATIENCE},
};

fn code(answer: &[u8]) -> String {
    let said: Value = serde_json::from_slice(answer).unwrap();
    said["code"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn q_m6_who_cannot_pay_does_no_harm_to_those_he_waited_with() {
    let clinic = Clinic::new().await;
    paid_charge(&clinic, 10_000).await;
    let asked = payments_of([1_000, 9_500, 3_000, 7_000, 6_000, 1]);
    let given = gathered(&clinic, &asked).await;
    assert_eq!(statuses(&given), [201, 409, 201, 409, 201, 409]);
    for refused in [1, 3, 5] {
        assert_eq!(code(&given[refused].1), "wallet.insufficient_funds");
    }
    assert_eq!(clinic.number(PAYMENTS).await, 3);
    assert_eq!(clinic.number(TRANSACTIONS).await, 2);
    assert_eq!(clinic.balance("wallet").await, 0);
    // Nothing was kept for the refused.
    assert_eq!(
        clinic
            .number("SELECT count(*) FROM idempotency_keys WHERE route LIKE '%wallet%'")
            .await,
        3
    );
    clinic.books_are_right().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn q_m1_one_key_many_times_in_a_lane_is_one_payment_with_one_body() {
    let clinic = Clinic::new().await;
    paid_charge(&clinic, 50_000).await;
    let mut asked = payments_of([10]);
    asked.extend((0..8).map(|_| (PAY, "same".to_owned(), price(20))));
    asked.push((PAY, "same".to_owned(), price(21)));
    asked.push((PAY, "k0".to_owned(), price(10)));
    asked.push((PAY, "other".to_owned(), price(30)));
    let given = gathered(&clinic, &asked).await;
    let same = &given[1..=8];
    assert_eq!(same[0].0, 201, "the first of them was settled");
    let mut bodies = HashSet::new();
    for (status, body) in same {
        match status {
            201 => drop(bodies.insert(body)),
            // Two of them asked for the kept answer in the same moment.
            409 => assert_eq!(code(body), "idempotency.in_flight"),
            other => panic!("{other}"),
        }
    }
    assert_eq!(bodies.len(), 1);
    assert!(matches!(given[9].0, 409 | 422), "{}", given[9].0);
    // The first of the lane, asked for a second time while others waited.
    assert_eq!((given[10].0, &given[10].1), (201, &given[0].1));
    assert_eq!(given[11].0, 201);
    assert_eq!(clinic.number(PAYMENTS).await, 3);
    assert_eq!(clinic.number(TRANSACTIONS).await, 2);
    assert_eq!(clinic.balance("wallet").await, 50_000 - 60);
    clinic.books_are_right().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn q_m6_what_one_breaks_for_all_each_does_alone() {
    let clinic = Clinic::new().await;
    paid_charge(&clinic, 50_000).await;
    clinic
        .as_owner(
            "CREATE FUNCTION planted() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
             IF NEW.details ->> 'amount' = '13' THEN RAISE EXCEPTION 'planted'; END IF; RETURN NEW; END $$; \
             CREATE TRIGGER planted BEFORE INSERT ON audit_entries FOR EACH ROW EXECUTE FUNCTION planted()",
        )
        .await;
    let given = gathered(&clinic, &payments_of([10, 11, 12, 13, 14])).await;
    assert_eq!(statuses(&given), [201, 201, 201, 500, 201]);
    assert_eq!(clinic.number(PAYMENTS).await, 4);
    assert_eq!(clinic.number(TRANSACTIONS).await, 4);
    assert_eq!(clinic.balance("wallet").await, 50_000 - 47);
    // The lane is as before: what waits next goes together.
    let asked =
        [(21, "a"), (22, "b"), (23, "c")].map(|(amount, key)| (PAY, key.to_owned(), price(amount)));
    assert_eq!(statuses(&gathered(&clinic, &asked).await), [201; 3]);
    assert_eq!(clinic.number(TRANSACTIONS).await, 6);
    clinic.books_are_right().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn q_m6_a_spend_from_elsewhere_that_comes_between_is_not_overdrawn() {
    let clinic = Clinic::new().await;
    paid_charge(&clinic, 10_000).await;
    let (batch, wallet) = (
        Held::amount(&clinic, 900).await,
        Held::wallet(&clinic).await,
    );
    let mut running = in_a_lane(&clinic, &payments_of([1_000, 900, 900])).await;
    wallet.let_go().await;
    assert_eq!(running.remove(0).await.unwrap().0, 201);
    // The batch has read that 9,000 are there.
    standing(&clinic, 1).await;
    clinic.spend(8_000, "elsewhere").await;
    batch.let_go().await;
    let mut others = statuses(&answers(running).await);
    others.sort_unstable();
    assert_eq!(others, [201, 409]);
    assert_eq!(clinic.balance("wallet").await, 100);
    assert_eq!(clinic.number(PAYMENTS).await, 2);
    clinic.books_are_right().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn q_m6_a_batch_whose_connection_dies_is_done_one_by_one() {
    let clinic = Clinic::new().await;
    paid_charge(&clinic, 10_000).await;
    let (batch, wallet) = (
        Held::amount(&clinic, 300).await,
        Held::wallet(&clinic).await,
    );
    let asked = payments_of([100, 200, 300, 400]);
    let mut running = in_a_lane(&clinic, &asked).await;
    wallet.let_go().await;
    assert_eq!(running.remove(0).await.unwrap().0, 201);
    standing(&clinic, 1).await;
    clinic
        .as_owner(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
             WHERE datname = current_database() AND wait_event_type = 'Lock'",
        )
        .await;
    batch.let_go().await;
    for (status, body) in answers(running).await {
        // The database may still be busy with the end of the dead connection, which held their keys.
        assert!(status == 201 || code(&body) == "idempotency.in_flight");
    }
    let token = clinic.doctor_token();
    for (path, key, body) in asked {
        let paid = async || clinic.keyed(path, &token, &key, &body).await.status() == 201;
        eventually(PATIENCE, paid).await;
    }
    assert_eq!(clinic.number(TRANSACTIONS).await, 4);
    assert_eq!(clinic.balance("wallet").await, 9_000);
    clinic.books_are_right().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn q_m6_two_processes_at_one_wallet_spend_what_it_holds() {
    let clinic = Clinic::new().await;
    paid_charge(&clinic, 40_000).await;
    let second: TestService<Payments> = ServiceSetup::new()
        .database(clinic.service.database.clone())
        .issuer(clinic.service.issuer.clone())
        .clock(clinic.service.clock.clone())
        .set("sandbox.base_url", &clinic.provider.base_url)
        .set("rules.starts_per_minute", 100_000)
        .start()
        .await;
    let token = clinic.doctor_token();
    let spends = (0..200).map(|number| {
        let service = if number % 2 == 0 {
            &clinic.service
        } else {
            &second
        };
        let (token, key, body) = (&token, format!("k{number}"), price(1_000));
        async move {
            loop {
                let request = service.post(PAY).bearer_auth(token);
                let request = request.header("Idempotency-Key", &key).json(&body);
                let status = request.send().await.unwrap().status().as_u16();
                // 503 is a busy database: nothing was done, the same request is sent again.
                if status != 503 {
                    return status;
                }
            }
        }
    });
    let statuses = join_all(spends).await;
    let paid = statuses.iter().filter(|status| **status == 201).count();
    let refused = statuses.iter().filter(|status| **status == 409).count();
    assert_eq!((paid, refused), (40, 160));
    assert_eq!(clinic.number(PAYMENTS).await, 40);
    let transactions = clinic.number(TRANSACTIONS).await;
    assert!(transactions < 40, "{transactions} transactions");
    assert_eq!(clinic.balance("wallet").await, 0);
    clinic.books_are_right().await;
}
