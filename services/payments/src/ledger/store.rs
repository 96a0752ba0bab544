use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use super::AccountKey;
use crate::schema::{ledger_accounts, ledger_entries, ledger_transfers};

/// An account with its balance.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = ledger_accounts, check_for_backend(diesel::pg::Pg))]
pub struct AccountRow {
    /// Its id.
    pub id: Uuid,
    /// Minor units.
    pub balance: i64,
    /// ISO code.
    pub currency: String,
    /// When it was opened.
    pub created_at: DateTime<Utc>,
}

/// One line of an account's statement.
#[derive(Debug, Clone, Queryable)]
pub struct StatementRow {
    /// The entry.
    pub id: Uuid,
    /// The transfer it belongs to.
    pub transfer_id: Uuid,
    /// Why, see [`super::TransferKind`].
    pub kind: String,
    /// What it refers to.
    pub reference: String,
    /// In words.
    pub description: String,
    /// Minor units; positive raised the balance.
    pub amount: i64,
    /// When.
    pub created_at: DateTime<Utc>,
}

/// The account, when it was ever opened.
///
/// # Errors
/// When the database refuses.
pub async fn find_account(
    conn: &mut AsyncPgConnection,
    key: &AccountKey,
) -> QueryResult<Option<AccountRow>> {
    ledger_accounts::table
        .filter(ledger_accounts::organization_id.eq(key.organization_id))
        .filter(ledger_accounts::code.eq(&key.code))
        .filter(ledger_accounts::owner_id.is_not_distinct_from(key.owner_id))
        .filter(ledger_accounts::currency.eq(key.currency.code()))
        .select(AccountRow::as_select())
        .first(conn)
        .await
        .optional()
}

pub(super) async fn insert_account(
    conn: &mut AsyncPgConnection,
    key: &AccountKey,
    now: DateTime<Utc>,
) -> QueryResult<usize> {
    diesel::insert_into(ledger_accounts::table)
        .values((
            ledger_accounts::id.eq(Uuid::now_v7()),
            ledger_accounts::organization_id.eq(key.organization_id),
            ledger_accounts::code.eq(&key.code),
            ledger_accounts::owner_id.eq(key.owner_id),
            ledger_accounts::currency.eq(key.currency.code()),
            ledger_accounts::floor.eq(key.floor()),
            ledger_accounts::created_at.eq(now),
        ))
        .on_conflict_do_nothing()
        .execute(conn)
        .await
}

pub(super) async fn insert_transfer(
    conn: &mut AsyncPgConnection,
    id: Uuid,
    organization_id: Uuid,
    (kind, reference, description): (&str, &str, &str),
    now: DateTime<Utc>,
) -> QueryResult<usize> {
    diesel::insert_into(ledger_transfers::table)
        .values((
            ledger_transfers::id.eq(id),
            ledger_transfers::organization_id.eq(organization_id),
            ledger_transfers::kind.eq(kind),
            ledger_transfers::reference.eq(reference),
            ledger_transfers::description.eq(description),
            ledger_transfers::created_at.eq(now),
        ))
        .execute(conn)
        .await
}

pub(super) async fn insert_entry(
    conn: &mut AsyncPgConnection,
    transfer_id: Uuid,
    account_id: Uuid,
    (amount, currency): (i64, &str),
    now: DateTime<Utc>,
) -> QueryResult<usize> {
    diesel::insert_into(ledger_entries::table)
        .values((
            ledger_entries::id.eq(Uuid::now_v7()),
            ledger_entries::transfer_id.eq(transfer_id),
            ledger_entries::account_id.eq(account_id),
            ledger_entries::amount.eq(amount),
            ledger_entries::currency.eq(currency),
            ledger_entries::created_at.eq(now),
        ))
        .execute(conn)
        .await
}

/// The transfer's organisation and its legs as (account, amount, currency).
pub(super) async fn find_transfer(
    conn: &mut AsyncPgConnection,
    id: Uuid,
) -> QueryResult<Option<(Uuid, Vec<(Uuid, i64, String)>)>> {
    let organization: Option<Uuid> = ledger_transfers::table
        .find(id)
        .select(ledger_transfers::organization_id)
        .first(conn)
        .await
        .optional()?;
    let Some(organization) = organization else {
        return Ok(None);
    };
    let legs = ledger_entries::table
        .filter(ledger_entries::transfer_id.eq(id))
        .select((
            ledger_entries::account_id,
            ledger_entries::amount,
            ledger_entries::currency,
        ))
        .load(conn)
        .await?;
    Ok(Some((organization, legs)))
}

/// How many lines the account's statement has.
///
/// # Errors
/// When the database refuses.
pub async fn count_entries(conn: &mut AsyncPgConnection, account: Uuid) -> QueryResult<i64> {
    ledger_entries::table
        .filter(ledger_entries::account_id.eq(account))
        .count()
        .get_result(conn)
        .await
}

/// The account's statement, newest first.
///
/// # Errors
/// When the database refuses.
pub async fn list_entries(
    conn: &mut AsyncPgConnection,
    account: Uuid,
    (offset, limit): (i64, i64),
) -> QueryResult<Vec<StatementRow>> {
    ledger_entries::table
        .inner_join(
            ledger_transfers::table.on(ledger_transfers::id.eq(ledger_entries::transfer_id)),
        )
        .filter(ledger_entries::account_id.eq(account))
        .order((ledger_entries::created_at.desc(), ledger_entries::id.desc()))
        .offset(offset)
        .limit(limit)
        .select((
            ledger_entries::id,
            ledger_entries::transfer_id,
            ledger_transfers::kind,
            ledger_transfers::reference,
            ledger_transfers::description,
            ledger_entries::amount,
            ledger_entries::created_at,
        ))
        .load(conn)
        .await
}
