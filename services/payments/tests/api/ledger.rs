//! What the database itself refuses, asked as the service's own role (Q-M5).

use diesel::result::Error;
use diesel_async::SimpleAsyncConnection;
use service_db::violated;
use uuid::Uuid;

use crate::support::Clinic;

/// Two accounts and one booked transfer of 100.
async fn book(clinic: &Clinic) -> (Uuid, Uuid, Uuid) {
    let (from, to, transfer) = (Uuid::now_v7(), Uuid::now_v7(), Uuid::now_v7());
    let organization = clinic.organization;
    run(clinic, &format!(
        "INSERT INTO ledger_accounts (id, organization_id, code, owner_id, currency, floor, created_at) VALUES
           ('{from}', '{organization}', 'clearing:sandbox', NULL, 'IRR', NULL, now()),
           ('{to}', '{organization}', 'wallet', '{}', 'IRR', 0, now());
         {}", Uuid::now_v7(), transfer_sql(organization, transfer, "a", &[(from, -100), (to, 100)])
    )).await.unwrap();
    (from, to, transfer)
}

/// A transfer whose legs are written by one statement, as the service writes them.
fn transfer_sql(organization: Uuid, id: Uuid, reference: &str, legs: &[(Uuid, i64)]) -> String {
    let legs: Vec<_> = legs
        .iter()
        .map(|(account, amount)| (*account, *amount, "IRR"))
        .collect();
    let transfer = format!(
        "INSERT INTO ledger_transfers (id, organization_id, kind, reference, created_at)
         VALUES ('{id}', '{organization}', 'opening', '{reference}', now());"
    );
    transfer + &entries_sql(id, &legs)
}

fn entries_sql(transfer: Uuid, legs: &[(Uuid, i64, &str)]) -> String {
    let rows: Vec<String> = legs
        .iter()
        .map(|(account, amount, currency)| {
            let id = Uuid::now_v7();
            format!("('{id}', '{transfer}', '{account}', {amount}, '{currency}', now())")
        })
        .collect();
    match rows.is_empty() {
        true => String::new(),
        false => format!(
            "INSERT INTO ledger_entries (id, transfer_id, account_id, amount, currency, created_at)
             VALUES {};",
            rows.join(",")
        ),
    }
}

async fn run(clinic: &Clinic, sql: &str) -> Result<(), Error> {
    let mut conn = clinic.db().get().await.unwrap();
    let outcome = conn.batch_execute(&format!("BEGIN; {sql} COMMIT;")).await;
    if outcome.is_err() {
        conn.batch_execute("ROLLBACK").await.unwrap();
    }
    outcome
}

async fn refused(clinic: &Clinic, sql: &str) -> String {
    let error = run(clinic, sql).await.expect_err(sql);
    violated(&error).map_or_else(|| error.to_string(), str::to_owned)
}

#[tokio::test(flavor = "multi_thread")]
async fn q_m5_the_database_refuses_unbalanced_transfers() {
    let clinic = Clinic::new().await;
    let (from, to, first) = book(&clinic).await;
    let org = clinic.organization;
    let id = Uuid::now_v7;
    let sql = |legs: &[(Uuid, i64)]| transfer_sql(org, id(), &id().to_string(), legs);
    assert_eq!(
        refused(&clinic, &sql(&[(from, -100), (to, 99)])).await,
        "ledger_transfers_zero_sum"
    );
    assert_eq!(
        refused(&clinic, &sql(&[(from, -100), (to, 100), (to, 1)])).await,
        "ledger_transfers_zero_sum"
    );
    assert_eq!(
        refused(&clinic, &sql(&[])).await,
        "ledger_transfers_two_entries"
    );
    assert_eq!(
        refused(&clinic, &sql(&[(to, 100)])).await,
        "ledger_transfers_zero_sum"
    );
    assert_eq!(
        refused(&clinic, &sql(&[(from, 0), (to, 0)])).await,
        "ledger_entries_amount"
    );
    assert_eq!(
        refused(&clinic, &sql(&[(to, -101), (from, 101)])).await,
        "ledger_accounts_floor"
    );
    let twice = transfer_sql(org, id(), "a", &[(from, -1), (to, 1)]);
    assert_eq!(refused(&clinic, &twice).await, "ledger_transfers_reference");
    let into_old = entries_sql(first, &[(from, -5, "IRR"), (to, 5, "IRR")]);
    assert_eq!(
        refused(&clinic, &into_old).await,
        "ledger_entries_closed_transfer"
    );
    // Legs of an account in another currency than the account's, balanced in each.
    let transfer = id();
    let legs = [
        (from, -5, "IRR"),
        (to, 5, "IRR"),
        (from, -5, "USD"),
        (to, 5, "USD"),
    ];
    let other_currency = transfer_sql(org, transfer, "c", &[]) + &entries_sql(transfer, &legs);
    assert_eq!(
        refused(&clinic, &other_currency).await,
        "ledger_entries_account"
    );
    // Checked early, then made wrong in the same transaction.
    let transfer = id();
    let sly = format!(
        "{} SET CONSTRAINTS ALL IMMEDIATE; SET CONSTRAINTS ALL DEFERRED; {}",
        transfer_sql(org, transfer, "s", &[(from, -5), (to, 5)]),
        entries_sql(transfer, &[(to, 1_000, "IRR")]),
    );
    assert_eq!(refused(&clinic, &sly).await, "ledger_transfers_zero_sum");
    // Each currency sums to zero by itself.
    let transfer = id();
    let legs = [(from, -5, "IRR"), (to, 5, "USD")];
    let mixed = transfer_sql(org, transfer, "m", &[]) + &entries_sql(transfer, &legs);
    let refusal = refused(&clinic, &mixed).await;
    assert!(
        ["ledger_transfers_zero_sum", "ledger_entries_account"].contains(&refusal.as_str()),
        "{refusal}"
    );
    let overflow = sql(&[(from, i64::MIN + 1), (to, i64::MAX)]);
    assert!(refused(&clinic, &overflow).await.contains("out of range"));
    clinic.books_are_right().await;
    assert_eq!(clinic.balance("wallet").await, 100);
}

#[tokio::test(flavor = "multi_thread")]
async fn q_m5_the_role_may_only_append() {
    let clinic = Clinic::new().await;
    let (_, wallet, transfer) = book(&clinic).await;
    for sql in [
        "UPDATE ledger_accounts SET balance = 1000000;".to_owned(),
        "UPDATE ledger_accounts SET floor = NULL;".to_owned(),
        format!("DELETE FROM ledger_accounts WHERE id = '{wallet}';"),
        "UPDATE ledger_entries SET amount = amount * 2;".to_owned(),
        format!("DELETE FROM ledger_entries WHERE transfer_id = '{transfer}';"),
        "UPDATE ledger_transfers SET description = 'x';".to_owned(),
        format!("DELETE FROM ledger_transfers WHERE id = '{transfer}';"),
        "TRUNCATE ledger_entries;".to_owned(),
        "TRUNCATE ledger_accounts CASCADE;".to_owned(),
        "UPDATE payment_logs SET kind = 'error';".to_owned(),
        "DELETE FROM audit_entries;".to_owned(),
        "ALTER TABLE ledger_entries DISABLE TRIGGER ALL;".to_owned(),
        "DROP TRIGGER ledger_entries_apply ON ledger_entries;".to_owned(),
        "SET session_replication_role = replica;".to_owned(),
    ] {
        let error = refused(&clinic, &sql).await;
        assert!(
            error.contains("permission denied") || error.contains("must be owner"),
            "{sql}: {error}"
        );
    }
    // An account cannot be opened with money in it, nor a wallet without its floor.
    let (account, org) = (Uuid::now_v7(), clinic.organization);
    run(
        &clinic,
        &format!(
            "INSERT INTO ledger_accounts (id, organization_id, code, currency, balance, created_at)
         VALUES ('{account}', '{org}', 'gift', 'IRR', 5000, now());"
        ),
    )
    .await
    .unwrap();
    assert_eq!(clinic.balance("gift").await, 0);
    let bottomless =
        format!(
        "INSERT INTO ledger_accounts (id, organization_id, code, owner_id, currency, created_at)
         VALUES ('{}', '{org}', 'wallet', '{}', 'IRR', now());", Uuid::now_v7(), Uuid::now_v7()
    );
    assert_eq!(
        refused(&clinic, &bottomless).await,
        "ledger_accounts_wallet"
    );
    clinic.books_are_right().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn q_m5_payments_keep_their_own_rules() {
    let clinic = Clinic::new().await;
    let started = clinic.charge(50_000).await;
    let id = started["transaction_id"].as_str().unwrap();
    let org = clinic.organization;
    let refusals = [
        (
            format!("UPDATE payments SET amount = -5 WHERE id = '{id}';"),
            "payments_amount_check",
        ),
        (
            format!("UPDATE payments SET status = 'paid' WHERE id = '{id}';"),
            "payments_status_check",
        ),
        (
            format!("UPDATE payments SET status = 'completed' WHERE id = '{id}';"),
            "payments_completed",
        ),
        (
            format!("UPDATE payments SET purpose = 'invoice' WHERE id = '{id}';"),
            "payments_invoice",
        ),
        (
            format!(
                "INSERT INTO payments (id, organization_id, purpose, status, amount, currency, provider, \
                 provider_reference, expires_at, created_at, updated_at) SELECT '{}', '{org}', 'service', \
                 'processing', 5, 'IRR', provider, provider_reference, now(), now(), now() FROM payments \
                 WHERE id = '{id}';",
                Uuid::now_v7()
            ),
            "payments_provider_reference",
        ),
    ];
    for (sql, constraint) in refusals {
        assert_eq!(refused(&clinic, &sql).await, constraint);
    }
}
