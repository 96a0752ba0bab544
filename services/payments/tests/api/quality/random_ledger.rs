//! Q-M5: a million random operations against a model.

use std::collections::HashMap;

use diesel::sql_types::{Array, BigInt, Uuid as SqlUuid};
use diesel_async::RunQueryDsl;
use service_db::DbError;
use uuid::Uuid;

use crate::support::Clinic;

/// A small generator, so that a seed tells the whole run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, bound: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

/// One clinic's wallets and its clearing account, beside a model of them.
struct Book {
    organization: Uuid,
    accounts: Vec<Uuid>,
    balances: Vec<i64>,
    lines: Vec<i64>,
    dice: Dice,
}

impl Book {
    async fn open(clinic: &Clinic, seed: u64) -> Self {
        let organization = Uuid::now_v7();
        let accounts: Vec<Uuid> = (0..400).map(|_| Uuid::now_v7()).collect();
        let mut values = Vec::new();
        for (at, account) in accounts.iter().enumerate() {
            // The first account is what a provider owes; all others are wallets, never below zero.
            values.push(match at {
                0 => format!(
                    "('{account}', '{organization}', 'clearing:sandbox', NULL, 'IRR', NULL, now())"
                ),
                _ => format!(
                    "('{account}', '{organization}', 'wallet', '{}', 'IRR', 0, now())",
                    Uuid::now_v7()
                ),
            });
        }
        let sql = format!(
            "INSERT INTO ledger_accounts (id, organization_id, code, owner_id, currency, floor, created_at) VALUES {}",
            values.join(",")
        );
        clinic.try_sql(&sql).await.unwrap();
        Self {
            organization,
            balances: vec![0; accounts.len()],
            lines: vec![0; accounts.len()],
            accounts,
            dice: Dice(seed),
        }
    }

    /// Two accounts and an amount, by chance.
    fn draw(&mut self) -> (usize, usize, i64) {
        let many = u64::try_from(self.accounts.len()).unwrap();
        let from = usize::try_from(self.dice.roll(many)).unwrap();
        let mut to = usize::try_from(self.dice.roll(many - 1)).unwrap();
        if to >= from {
            to += 1;
        }
        (from, to, i64::try_from(self.dice.roll(1_000)).unwrap() + 1)
    }

    /// Draws transfers until `wanted` are allowed by the model; answers them, and one that the model forbids.
    fn batch(&mut self, wanted: usize) -> (Batch, Option<Batch>) {
        let (mut allowed, mut forbidden) = (Batch::default(), None);
        while allowed.transfers.len() < wanted {
            // Half of all money comes from the provider, or the wallets would stay empty.
            let (mut from, to, amount) = self.draw();
            if self.dice.roll(2) == 0 {
                from = 0;
            }
            if from == to {
                continue;
            }
            if from != 0 && self.balances[from] < amount {
                forbidden = Some((from, to));
                continue;
            }
            self.balances[from] -= amount;
            self.balances[to] += amount;
            self.lines[from] += 1;
            self.lines[to] += 1;
            allowed.add((self.accounts[from], self.accounts[to]), amount);
        }
        // Tried after the batch: with more than anybody was ever given it is forbidden then as well.
        let forbidden = forbidden.map(|(from, to)| {
            let mut batch = Batch::default();
            batch.add((self.accounts[from], self.accounts[to]), 1_000_000_000);
            batch
        });
        (allowed, forbidden)
    }

    /// Books a batch as the service's role, through the ledger's own triggers; the constraint that refuses it.
    async fn book(&self, clinic: &Clinic, batch: &Batch) -> Result<(), String> {
        let booked = clinic.db().transaction(async |conn| {
            diesel::sql_query(
                "INSERT INTO ledger_transfers (id, organization_id, kind, reference, created_at) \
                 SELECT id, $2, 'wallet_spend', id::text, now() FROM unnest($1) AS id",
            )
            .bind::<Array<SqlUuid>, _>(&batch.transfers)
            .bind::<SqlUuid, _>(self.organization)
            .execute(conn)
            .await?;
            diesel::sql_query(
                "INSERT INTO ledger_entries (id, transfer_id, account_id, amount, currency, created_at) \
                 SELECT id, transfer, account, amount, 'IRR', now() FROM unnest($1, $2, $3, $4) WITH ORDINALITY \
                 AS leg (id, transfer, account, amount, place) ORDER BY place",
            )
            .bind::<Array<SqlUuid>, _>(&batch.entries)
            .bind::<Array<SqlUuid>, _>(&batch.legs_of)
            .bind::<Array<SqlUuid>, _>(&batch.accounts)
            .bind::<Array<BigInt>, _>(&batch.amounts)
            .execute(conn)
            .await?;
            Ok::<_, DbError>(())
        });
        booked.await.map_err(|error| match error {
            DbError::Query(error) => match service_db::violated(&error) {
                Some(constraint) => constraint.to_owned(),
                None => error.to_string(),
            },
            other => other.to_string(),
        })
    }
}

/// Transfers with their legs, in the order in which they are booked.
#[derive(Default)]
struct Batch {
    transfers: Vec<Uuid>,
    entries: Vec<Uuid>,
    legs_of: Vec<Uuid>,
    accounts: Vec<Uuid>,
    amounts: Vec<i64>,
}

impl Batch {
    fn add(&mut self, (from, to): (Uuid, Uuid), amount: i64) {
        let transfer = Uuid::now_v7();
        self.transfers.push(transfer);
        for (account, amount) in [(from, -amount), (to, amount)] {
            self.entries.push(Uuid::now_v7());
            self.legs_of.push(transfer);
            self.accounts.push(account);
            self.amounts.push(amount);
        }
    }
}

/// Debits and credits of one of the four books.
const OPERATIONS: usize = 250_000;
/// Transfers of one statement.
const BATCH: usize = 250;

async fn run_book(clinic: &Clinic, seed: u64) -> Book {
    let mut book = Book::open(clinic, seed).await;
    for _ in 0..OPERATIONS / 2 / BATCH {
        let (allowed, forbidden) = book.batch(BATCH);
        book.book(clinic, &allowed).await.unwrap();
        if let Some(forbidden) = forbidden {
            let refused = book.book(clinic, &forbidden).await;
            assert_eq!(
                refused,
                Err("ledger_accounts_floor".to_owned()),
                "seed {seed}"
            );
        }
    }
    book
}

#[tokio::test(flavor = "multi_thread")]
async fn q_m5_a_million_random_debits_and_credits_agree_with_a_model() {
    let clinic = Clinic::new().await;
    let books = futures_util::future::join_all((1..=4).map(|seed| run_book(&clinic, seed))).await;
    let mut operations = 0;
    for book in &books {
        let rows = clinic
            .rows(&format!(
                "SELECT id::text || ' ' || balance || ' ' || lines AS line FROM ledger_accounts WHERE organization_id = '{}'",
                book.organization
            ))
            .await;
        let found: HashMap<&str, (&str, &str)> = rows
            .iter()
            .map(|row| {
                let mut parts = row.split(' ');
                (
                    parts.next().unwrap(),
                    (parts.next().unwrap(), parts.next().unwrap()),
                )
            })
            .collect();
        for (at, account) in book.accounts.iter().enumerate() {
            let (balance, lines) = found[account.to_string().as_str()];
            assert_eq!(balance.parse(), Ok(book.balances[at]), "{account}");
            assert_eq!(lines.parse(), Ok(book.lines[at]), "{account}");
            operations += book.lines[at];
        }
    }
    assert_eq!(operations, 1_000_000);
    assert_eq!(
        clinic.number("SELECT count(*) FROM ledger_entries").await,
        1_000_000
    );
    assert_eq!(
        clinic
            .number("SELECT sum(amount) FROM ledger_entries")
            .await,
        0
    );
    // Every line follows from the one before, in every account.
    let broken = "SELECT count(*) FROM (SELECT balance_after, sum(amount) OVER (PARTITION BY account_id ORDER BY line) \
        AS running, line, row_number() OVER (PARTITION BY account_id ORDER BY line) AS place FROM ledger_entries) e \
        WHERE running <> balance_after OR line <> place";
    assert_eq!(clinic.number(broken).await, 0);
    let unbalanced = "SELECT count(*) FROM (SELECT 1 FROM ledger_entries GROUP BY transfer_id \
        HAVING sum(amount) <> 0 OR count(*) < 2) t";
    assert_eq!(clinic.number(unbalanced).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statements_page_is_found_by_its_lines() {
    let clinic = Clinic::new().await;
    let mut book = Book::open(&clinic, 9).await;
    for _ in 0..8 {
        let (allowed, _) = book.batch(BATCH);
        book.book(&clinic, &allowed).await.unwrap();
    }
    clinic.as_owner("ANALYZE ledger_entries").await;
    let plan = clinic
        .rows(&format!(
            "EXPLAIN SELECT * FROM ledger_entries WHERE account_id = '{}' AND line <= 500 ORDER BY line DESC LIMIT 20",
            book.accounts[0]
        ))
        .await
        .join("\n");
    assert!(
        plan.contains("ledger_entries_line") && !plan.contains("Sort"),
        "{plan}"
    );
}
