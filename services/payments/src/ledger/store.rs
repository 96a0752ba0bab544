use std::collections::HashMap;

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
    /// Lines of its statement.
    pub lines: i64,
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
    /// Its place in the account's statement, from 1, without gaps.
    pub line: i64,
    /// Minor units in the account after it.
    pub balance_after: i64,
    /// When.
    pub created_at: DateTime<Utc>,
}

/// The account, when it was ever opened. Of a busy account this is its first row alone.
///
/// # Errors
/// When the database refuses.
pub async fn find_account(
    conn: &mut AsyncPgConnection,
    key: &AccountKey,
) -> QueryResult<Option<AccountRow>> {
    let rows = ledger_accounts::table
        .filter(ledger_accounts::organization_id.eq(key.organization_id))
        .filter(ledger_accounts::code.eq(&key.code))
        .filter(ledger_accounts::currency.eq(key.currency.code()))
        .filter(ledger_accounts::shard.eq(0))
        .select(AccountRow::as_select())
        .into_boxed();
    // `IS NOT DISTINCT FROM` has no index: it would read every wallet of the organisation.
    let rows = match key.owner_id {
        Some(owner) => rows.filter(ledger_accounts::owner_id.eq(owner)),
        None => rows.filter(ledger_accounts::owner_id.is_null()),
    };
    rows.first(conn).await.optional()
}

/// The rows of these accounts in one question: position → id, for those that were ever opened. Each key names all of the
/// unique index's columns, so that no account but its own is looked at.
pub(super) async fn find_accounts(
    conn: &mut AsyncPgConnection,
    keys: &[(&AccountKey, i16)],
) -> QueryResult<HashMap<usize, Uuid>> {
    use ledger_accounts as accounts;
    type Found = (Uuid, Uuid, String, Option<Uuid>, String, i16);
    let mut query = accounts::table
        .select((
            accounts::id,
            accounts::organization_id,
            accounts::code,
            accounts::owner_id,
            accounts::currency,
            accounts::shard,
        ))
        .into_boxed();
    for (key, shard) in keys {
        let named = accounts::organization_id
            .eq(key.organization_id)
            .and(accounts::code.eq(&key.code))
            .and(accounts::currency.eq(key.currency.code()))
            .and(accounts::shard.eq(*shard));
        query = match key.owner_id {
            Some(owner) => query.or_filter(named.and(accounts::owner_id.eq(owner))),
            None => query.or_filter(named.and(accounts::owner_id.is_null())),
        };
    }
    let found: Vec<Found> = query.load(conn).await?;
    let is = |row: &Found, key: &AccountKey, shard: i16| {
        let (_, organization, code, owner, currency, row_shard) = row;
        (*organization, code, *owner) == (key.organization_id, &key.code, key.owner_id)
            && (currency.as_str(), *row_shard) == (key.currency.code(), shard)
    };
    let mut ids = HashMap::new();
    for (position, (key, shard)) in keys.iter().enumerate() {
        if let Some(row) = found.iter().find(|row| is(row, key, *shard)) {
            ids.insert(position, row.0);
        }
    }
    Ok(ids)
}

pub(super) async fn insert_account(
    conn: &mut AsyncPgConnection,
    key: &AccountKey,
    shard: i16,
    now: DateTime<Utc>,
) -> QueryResult<usize> {
    diesel::insert_into(ledger_accounts::table)
        .values((
            ledger_accounts::id.eq(Uuid::now_v7()),
            ledger_accounts::organization_id.eq(key.organization_id),
            ledger_accounts::code.eq(&key.code),
            ledger_accounts::owner_id.eq(key.owner_id),
            ledger_accounts::currency.eq(key.currency.code()),
            ledger_accounts::shard.eq(shard),
            ledger_accounts::floor.eq(key.floor()),
            ledger_accounts::created_at.eq(now),
        ))
        .on_conflict_do_nothing()
        .execute(conn)
        .await
}

/// A transfer as it is written.
#[derive(Insertable)]
#[diesel(table_name = ledger_transfers, treat_none_as_default_value = false)]
pub(super) struct NewTransfer<'a> {
    pub(super) id: Uuid,
    pub(super) organization_id: Uuid,
    pub(super) kind: &'a str,
    pub(super) reference: &'a str,
    pub(super) description: &'a str,
    pub(super) created_at: DateTime<Utc>,
}

pub(super) async fn insert_transfers(
    conn: &mut AsyncPgConnection,
    transfers: Vec<NewTransfer<'_>>,
) -> QueryResult<usize> {
    let insert = diesel::insert_into(ledger_transfers::table);
    // One is the rule: of that shape the statement stays prepared.
    match <[NewTransfer<'_>; 1]>::try_from(transfers) {
        Ok([one]) => insert.values(one).execute(conn).await,
        Err(more) => insert.values(more).execute(conn).await,
    }
}

/// An entry as the database wrote it.
#[derive(Debug, Clone, Queryable)]
pub(super) struct Written {
    pub(super) transfer_id: Uuid,
    pub(super) account_id: Uuid,
    pub(super) amount: i64,
    pub(super) line: i64,
    pub(super) balance_after: i64,
}

/// One side of a transfer as it is written.
#[derive(Debug, Clone)]
pub(super) struct Line {
    pub(super) account: Uuid,
    pub(super) amount: i64,
    pub(super) currency: String,
    /// Whose wallet the account is, when it is one.
    pub(super) wallet_of: Option<Uuid>,
}

/// Writes the lines of transfers by one statement, as the schema demands, in the given order, which is the order of
/// their row locks.
pub(super) async fn insert_entries(
    conn: &mut AsyncPgConnection,
    lines: &[(Uuid, &Line)],
    now: DateTime<Utc>,
) -> QueryResult<Vec<Written>> {
    let returned = (
        ledger_entries::transfer_id,
        ledger_entries::account_id,
        ledger_entries::amount,
        ledger_entries::line,
        ledger_entries::balance_after,
    );
    // Two lines are the rule: of that shape the statement stays prepared.
    match lines {
        [one, two] => {
            diesel::insert_into(ledger_entries::table)
                .values([one, two].map(|(transfer, line)| NewEntry::of(*transfer, line, now)))
                .returning(returned)
                .get_results(conn)
                .await
        }
        more => {
            let entries = more
                .iter()
                .map(|(transfer, line)| NewEntry::of(*transfer, line, now));
            diesel::insert_into(ledger_entries::table)
                .values(entries.collect::<Vec<_>>())
                .returning(returned)
                .get_results(conn)
                .await
        }
    }
}

#[derive(Insertable)]
#[diesel(table_name = ledger_entries, treat_none_as_default_value = false)]
struct NewEntry {
    id: Uuid,
    transfer_id: Uuid,
    account_id: Uuid,
    amount: i64,
    // Owned: what is kept prepared must not borrow.
    currency: String,
    created_at: DateTime<Utc>,
}

impl NewEntry {
    fn of(transfer_id: Uuid, line: &Line, created_at: DateTime<Utc>) -> Self {
        Self {
            id: Uuid::now_v7(),
            transfer_id,
            account_id: line.account,
            amount: line.amount,
            currency: line.currency.clone(),
            created_at,
        }
    }
}

/// The transfer's organisation and its lines.
pub(super) async fn find_transfer(
    conn: &mut AsyncPgConnection,
    id: Uuid,
) -> QueryResult<Option<(Uuid, Vec<Line>)>> {
    let organization: Option<Uuid> = ledger_transfers::table
        .find(id)
        .select(ledger_transfers::organization_id)
        .first(conn)
        .await
        .optional()?;
    let Some(organization) = organization else {
        return Ok(None);
    };
    let lines: Vec<(Uuid, i64, String, String, Option<Uuid>)> = ledger_entries::table
        .inner_join(ledger_accounts::table.on(ledger_accounts::id.eq(ledger_entries::account_id)))
        .filter(ledger_entries::transfer_id.eq(id))
        .select((
            ledger_entries::account_id,
            ledger_entries::amount,
            ledger_entries::currency,
            ledger_accounts::code,
            ledger_accounts::owner_id,
        ))
        .load(conn)
        .await?;
    let lines = lines
        .into_iter()
        .map(|(account, amount, currency, code, owner)| Line {
            account,
            amount,
            currency,
            wallet_of: owner.filter(|_| code == super::WALLET),
        });
    Ok(Some((organization, lines.collect())))
}

/// The account's statement, newest first. The line numbers have no gaps, so every page is found as
/// fast as the first.
///
/// # Errors
/// When the database refuses.
pub async fn list_entries(
    conn: &mut AsyncPgConnection,
    account: &AccountRow,
    (offset, limit): (i64, i64),
) -> QueryResult<Vec<StatementRow>> {
    ledger_entries::table
        .inner_join(
            ledger_transfers::table.on(ledger_transfers::id.eq(ledger_entries::transfer_id)),
        )
        .filter(ledger_entries::account_id.eq(account.id))
        .filter(ledger_entries::line.le(account.lines.saturating_sub(offset)))
        .order(ledger_entries::line.desc())
        .limit(limit)
        .select((
            ledger_entries::id,
            ledger_entries::transfer_id,
            ledger_transfers::kind,
            ledger_transfers::reference,
            ledger_transfers::description,
            ledger_entries::amount,
            ledger_entries::line,
            ledger_entries::balance_after,
            ledger_entries::created_at,
        ))
        .load(conn)
        .await
}
