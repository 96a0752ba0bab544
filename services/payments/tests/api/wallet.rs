//! Wallets under many hands (Q-M6).

use common_types::{Currency, Money};
use futures_util::StreamExt;
use payments::{
    ledger::{self, AccountKey, LedgerError, Leg, Posting, TransferKind},
    wallet,
};
use serde_json::{Value, json};
use service_db::DbError;
use uuid::Uuid;

use crate::support::Clinic;

#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    #[error(transparent)]
    Db(#[from] DbError),
}

impl From<diesel::result::Error> for Failure {
    fn from(error: diesel::result::Error) -> Self {
        Self::Ledger(error.into())
    }
}

async fn post(clinic: &Clinic, posting: &Posting) -> Result<(), Failure> {
    let now = chrono::Utc::now();
    let booked = clinic.db().transaction(async |conn| {
        Ok::<_, Failure>(ledger::post(conn, posting, now).await.map(drop)?)
    });
    booked.await
}

fn gift(clinic: &Clinic, owner: Uuid, amount: i64) -> Posting {
    Posting {
        organization_id: clinic.organization,
        kind: TransferKind::Opening,
        reference: Uuid::now_v7().to_string(),
        description: String::new(),
        legs: Leg::pair(
            AccountKey::opening(clinic.organization, Currency::Irr),
            AccountKey::wallet(clinic.organization, owner, Currency::Irr),
            amount,
        ),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn q_m6_a_wallet_of_ten_lets_exactly_ten_spends_through() {
    let clinic = Clinic::new().await;
    post(&clinic, &gift(&clinic, clinic.doctor, 10))
        .await
        .unwrap();
    let now = chrono::Utc::now();
    let whose = (clinic.organization, clinic.doctor);
    let spends = (0..1_000).map(|number| {
        let clinic = &clinic;
        async move {
            let reference = format!("order-{number}");
            let price = Money::new(1, Currency::Irr);
            let spent = clinic.db().transaction(async |conn| {
                Ok::<_, Failure>(wallet::spend(conn, whose, price, &reference, now).await?)
            });
            spent.await
        }
    });
    let outcomes = futures_util::future::join_all(spends).await;
    let won = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
    let short = outcomes
        .iter()
        .filter(|outcome| {
            matches!(
                outcome,
                Err(Failure::Ledger(LedgerError::InsufficientFunds))
            )
        })
        .count();
    let waited = outcomes
        .iter()
        .filter(|outcome| matches!(outcome, Err(Failure::Db(_))))
        .count();
    assert_eq!((won, short + waited), (10, 990));
    assert_eq!(clinic.balance("wallet").await, 0);
    assert_eq!(clinic.balance("service_income").await, 10);
    clinic.books_are_right().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_booking_looks_at_its_own_accounts_however_many_wallets_there_are() {
    use diesel_async::RunQueryDsl;
    #[derive(diesel::QueryableByName)]
    struct Seen {
        #[diesel(sql_type = diesel::sql_types::BigInt)]
        rows: i64,
    }
    let clinic = Clinic::new().await;
    post(&clinic, &gift(&clinic, clinic.doctor, 10))
        .await
        .unwrap();
    clinic
        .as_owner(&format!(
            "INSERT INTO ledger_accounts (id, organization_id, code, owner_id, currency, floor, created_at) \
             SELECT gen_random_uuid(), '{}', 'wallet', gen_random_uuid(), 'IRR', 0, now() \
             FROM generate_series(1, 3000); ANALYZE ledger_accounts",
            clinic.organization
        ))
        .await;
    let (posting, now) = (gift(&clinic, clinic.doctor, 10), chrono::Utc::now());
    let seen = clinic.db().transaction(async |conn| {
        ledger::post(conn, &posting, now).await?;
        let seen: Seen = diesel::sql_query(
            "SELECT (coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0))::bigint AS rows \
             FROM pg_stat_xact_user_tables WHERE relname = 'ledger_accounts'",
        )
        .get_result(conn)
        .await?;
        Ok::<_, Failure>(seen.rows)
    });
    let seen = seen.await.unwrap();
    assert!((1..=20).contains(&seen), "{seen} rows of accounts read");
    assert_eq!(clinic.balance("wallet").await, 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn q_m6_opposite_transfers_meet_without_a_deadlock() {
    let clinic = Clinic::new().await;
    let (one, two) = (Uuid::now_v7(), Uuid::now_v7());
    for owner in [one, two] {
        post(&clinic, &gift(&clinic, owner, 10_000)).await.unwrap();
    }
    let key = |owner| AccountKey::wallet(clinic.organization, owner, Currency::Irr);
    let transfers = (0..256).map(|number| {
        let (from, to) = if number % 2 == 0 {
            (one, two)
        } else {
            (two, one)
        };
        let posting = Posting {
            organization_id: clinic.organization,
            kind: TransferKind::WalletSpend,
            reference: format!("t-{number}"),
            description: String::new(),
            legs: Leg::pair(key(from), key(to), 7),
        };
        let clinic = &clinic;
        async move { post(clinic, &posting).await }
    });
    let outcomes = futures_util::stream::iter(transfers).buffer_unordered(64);
    for outcome in outcomes.collect::<Vec<_>>().await {
        outcome.unwrap();
    }
    assert_eq!(clinic.balance("wallet").await, 20_000);
    clinic.books_are_right().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn q_m6_a_reference_is_booked_once_and_taken_back_once() {
    let clinic = Clinic::new().await;
    post(&clinic, &gift(&clinic, clinic.doctor, 100))
        .await
        .unwrap();
    let now = chrono::Utc::now();
    let whose = (clinic.organization, clinic.doctor);
    let spend = async || {
        let price = Money::new(40, Currency::Irr);
        let spent = clinic.db().transaction(async |conn| {
            Ok::<_, Failure>(wallet::spend(conn, whose, price, "same", now).await?)
        });
        spent.await
    };
    let transfer = spend().await.unwrap();
    assert!(matches!(
        spend().await,
        Err(Failure::Ledger(LedgerError::AlreadyBooked))
    ));
    let reverse = async || {
        let reversed = clinic.db().transaction(async |conn| {
            Ok::<_, Failure>(ledger::reverse(conn, transfer, "taken back", now).await?)
        });
        reversed.await
    };
    reverse().await.unwrap();
    assert!(matches!(
        reverse().await,
        Err(Failure::Ledger(LedgerError::AlreadyBooked))
    ));
    assert_eq!(clinic.balance("wallet").await, 100);
    clinic.books_are_right().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn q_m6_random_operations_agree_with_a_model() {
    let clinic = Clinic::new().await;
    let owners: Vec<Uuid> = (0..4).map(|_| Uuid::now_v7()).collect();
    let mut model = [0_i64; 4];
    let mut seed = 0x5eed_u64;
    let mut next = |bound: u64| {
        seed = seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % bound
    };
    for number in 0..300_u32 {
        let (a, b) = (
            usize::try_from(next(4)).unwrap(),
            usize::try_from(next(4)).unwrap(),
        );
        let amount = i64::try_from(next(50)).unwrap() + 1;
        let key = |at: usize| AccountKey::wallet(clinic.organization, owners[at], Currency::Irr);
        let (posting, from) = match next(2) {
            0 => (gift(&clinic, owners[b], amount), None),
            _ => {
                let legs = Leg::pair(key(a), key(b), amount);
                let posting = Posting {
                    organization_id: clinic.organization,
                    kind: TransferKind::WalletSpend,
                    reference: number.to_string(),
                    description: String::new(),
                    legs,
                };
                (posting, Some(a))
            }
        };
        let outcome = post(&clinic, &posting).await;
        // Between a wallet and itself the order of the legs decides whether the floor is met on the way.
        let allowed = from.is_none_or(|from| from == b || model[from] >= amount);
        match outcome {
            Ok(()) => {
                assert!(allowed, "operation {number}");
                model[b] += amount;
                if let Some(from) = from {
                    model[from] -= amount;
                }
            }
            Err(Failure::Ledger(LedgerError::InsufficientFunds)) => {
                assert!(!allowed || from == Some(b), "operation {number}");
            }
            Err(error) => panic!("operation {number}: {error}"),
        }
    }
    for (owner, expected) in owners.iter().zip(model) {
        let key = AccountKey::wallet(clinic.organization, *owner, Currency::Irr);
        let mut conn = clinic.db().get().await.unwrap();
        let account = ledger::find_account(&mut conn, &key).await.unwrap();
        assert_eq!(account.map_or(0, |account| account.balance), expected);
    }
    clinic.books_are_right().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wallets_statement_is_paged_and_ones_own() {
    let clinic = Clinic::new().await;
    for amount in 1..=25 {
        post(&clinic, &gift(&clinic, clinic.doctor, amount))
            .await
            .unwrap();
    }
    let token = clinic.doctor_token();
    let page: Value = clinic
        .get("/api/v1/wallet/entries/?page=2&page_size=10", &token)
        .await
        .json()
        .await
        .unwrap();
    assert_eq!(page["count"], 25);
    assert_eq!(page["results"].as_array().unwrap().len(), 10);
    assert!(page["next"].as_str().unwrap().contains("page=3"));
    assert_eq!(
        clinic
            .get("/api/v1/wallet/entries/?page=9", &token)
            .await
            .status(),
        404
    );
    let other = clinic.token(Uuid::now_v7(), common_types::ClinicRole::Doctor);
    let empty: Value = clinic
        .get("/api/v1/wallet/", &other)
        .await
        .json()
        .await
        .unwrap();
    assert_eq!(
        (&empty["balance"], &empty["entries"]),
        (&json!(0), &json!([]))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_demo_wallet_is_seeded_once() {
    use service_http::ServiceDefinition;
    let clinic = Clinic::new().await;
    for _ in 0..3 {
        payments::Payments::seed(&clinic.service.state, "demo")
            .await
            .unwrap();
    }
    assert!(
        payments::Payments::seed(&clinic.service.state, "other")
            .await
            .is_err()
    );
    assert_eq!(
        clinic
            .number("SELECT sum(balance) FROM ledger_accounts WHERE code = 'wallet'")
            .await,
        2_000_000
    );
    clinic.books_are_right().await;
}
