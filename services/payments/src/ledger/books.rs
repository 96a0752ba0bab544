//! The books as accountants read them: accounts with balances, a statement with running balance, the
//! trial balance. A busy account's rows are one account here.

use chrono::{DateTime, NaiveDate, NaiveTime, TimeDelta, Utc};
use diesel::{
    QueryableByName,
    sql_types::{BigInt, Nullable, Text, Timestamptz, Uuid as SqlUuid},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

/// Longest period of one statement.
pub const MAX_DAYS: i64 = 366;

/// An account with what stands in it.
#[derive(Debug, Clone, QueryableByName)]
pub struct BookAccount {
    /// Its code in the chart of accounts.
    #[diesel(sql_type = Text)]
    pub code: String,
    /// Whose wallet, for wallets.
    #[diesel(sql_type = Nullable<SqlUuid>)]
    pub owner_id: Option<Uuid>,
    /// ISO code.
    #[diesel(sql_type = Text)]
    pub currency: String,
    /// Minor units; credits are positive.
    #[diesel(sql_type = BigInt)]
    pub balance: i64,
    /// Entries so far.
    #[diesel(sql_type = BigInt)]
    pub entries: i64,
}

/// One line of an account's statement.
#[derive(Debug, Clone, QueryableByName)]
pub struct BookLine {
    /// The entry.
    #[diesel(sql_type = SqlUuid)]
    pub id: Uuid,
    /// Its transfer.
    #[diesel(sql_type = SqlUuid)]
    pub transfer_id: Uuid,
    /// Why, see [`super::TransferKind`].
    #[diesel(sql_type = Text)]
    pub kind: String,
    /// What it refers to.
    #[diesel(sql_type = Text)]
    pub reference: String,
    /// In words.
    #[diesel(sql_type = Text)]
    pub description: String,
    /// Minor units; positive raised the balance.
    #[diesel(sql_type = BigInt)]
    pub amount: i64,
    /// Minor units in the account after it.
    #[diesel(sql_type = BigInt)]
    pub balance_after: i64,
    /// When.
    #[diesel(sql_type = Timestamptz)]
    pub created_at: DateTime<Utc>,
}

/// Which accounts a list shows.
#[derive(Debug, Clone, Default)]
pub struct AccountFilter {
    /// Part of the code.
    pub search: Option<String>,
    /// ISO code.
    pub currency: Option<String>,
    /// With wallets, of which there may be many.
    pub wallets: bool,
}

/// An organisation's accounts by code, and how many there are.
///
/// # Errors
/// When the database refuses.
pub async fn list_accounts(
    conn: &mut AsyncPgConnection,
    organization: Uuid,
    filter: &AccountFilter,
    (offset, limit): (i64, i64),
) -> diesel::QueryResult<(i64, Vec<BookAccount>)> {
    const WHERE: &str = "FROM ledger_accounts WHERE organization_id = $1 AND ($2 IS NULL OR strpos(code, $2) > 0) \
        AND ($3 IS NULL OR currency = $3) AND ($4 OR code <> 'wallet') GROUP BY code, owner_id, currency";
    let total = diesel::sql_query(format!(
        "SELECT count(*) AS number FROM (SELECT 1 {WHERE}) AS accounts"
    ))
    .bind::<SqlUuid, _>(organization)
    .bind::<Nullable<Text>, _>(filter.search.as_deref())
    .bind::<Nullable<Text>, _>(filter.currency.as_deref())
    .bind::<diesel::sql_types::Bool, _>(filter.wallets)
    .get_result::<Number>(conn)
    .await?;
    let rows = diesel::sql_query(format!(
        "SELECT code, owner_id, currency, sum(balance)::bigint AS balance, sum(lines)::bigint AS entries \
         {WHERE} ORDER BY code, currency, owner_id OFFSET $5 LIMIT $6"
    ))
    .bind::<SqlUuid, _>(organization)
    .bind::<Nullable<Text>, _>(filter.search.as_deref())
    .bind::<Nullable<Text>, _>(filter.currency.as_deref())
    .bind::<diesel::sql_types::Bool, _>(filter.wallets)
    .bind::<BigInt, _>(offset)
    .bind::<BigInt, _>(limit)
    .load(conn)
    .await?;
    Ok((total.number, rows))
}

#[derive(QueryableByName)]
struct Number {
    #[diesel(sql_type = BigInt)]
    number: i64,
}

/// The trial balance at the end of `day`, wallets as one line per currency: the balances as they are
/// now without what was booked afterwards, in one look.
///
/// # Errors
/// When the database refuses.
pub async fn trial_balance(
    conn: &mut AsyncPgConnection,
    organization: Uuid,
    end: DateTime<Utc>,
) -> diesel::QueryResult<Vec<BookAccount>> {
    diesel::sql_query(
        "SELECT a.code, NULL::uuid AS owner_id, a.currency, sum(a.balance - later.amount)::bigint AS balance, \
         sum(a.lines - later.lines)::bigint AS entries FROM ledger_accounts a CROSS JOIN LATERAL (\
         SELECT coalesce(sum(e.amount), 0) AS amount, count(*) AS lines FROM ledger_entries e \
         WHERE e.account_id = a.id AND e.created_at >= $2) AS later \
         WHERE a.organization_id = $1 GROUP BY a.code, a.currency ORDER BY a.currency, a.code",
    )
    .bind::<SqlUuid, _>(organization)
    .bind::<Timestamptz, _>(end)
    .load(conn)
    .await
}

/// Which account's statement, and from when until when.
#[derive(Debug, Clone)]
pub struct StatementOf<'a> {
    /// The organisation in whose book it stands.
    pub organization_id: Uuid,
    /// Its code.
    pub code: &'a str,
    /// Whose wallet, for wallets.
    pub owner_id: Option<Uuid>,
    /// ISO code.
    pub currency: &'a str,
    /// First moment.
    pub from: DateTime<Utc>,
    /// First moment after it.
    pub to: DateTime<Utc>,
}

/// Balance before the period, lines in it, and balance after it.
#[derive(Debug, Clone, Copy, QueryableByName)]
pub struct Period {
    /// Minor units before the first line.
    #[diesel(sql_type = BigInt)]
    pub opening: i64,
    /// Lines in the period.
    #[diesel(sql_type = BigInt)]
    pub lines: i64,
    /// Minor units after the last line.
    #[diesel(sql_type = BigInt)]
    pub closing: i64,
}

const ACCOUNTS: &str = "SELECT id, balance FROM ledger_accounts WHERE organization_id = $1 AND code = $2 \
    AND owner_id IS NOT DISTINCT FROM $3 AND currency = $4";

/// What the period opens and closes with.
///
/// # Errors
/// When the database refuses.
pub async fn period(
    conn: &mut AsyncPgConnection,
    of: &StatementOf<'_>,
) -> diesel::QueryResult<Period> {
    diesel::sql_query(format!(
        "WITH accounts AS ({ACCOUNTS}), now AS (SELECT coalesce(sum(balance), 0) AS balance FROM accounts), \
         since AS (SELECT coalesce(sum(e.amount), 0) AS all_amount, \
         coalesce(sum(e.amount) FILTER (WHERE e.created_at < $6), 0) AS amount, \
         count(*) FILTER (WHERE e.created_at < $6) AS lines \
         FROM ledger_entries e WHERE e.account_id IN (SELECT id FROM accounts) AND e.created_at >= $5) \
         SELECT (now.balance - since.all_amount)::bigint AS opening, since.lines, \
         (now.balance - since.all_amount + since.amount)::bigint AS closing FROM now, since"
    ))
    .bind::<SqlUuid, _>(of.organization_id)
    .bind::<Text, _>(of.code)
    .bind::<Nullable<SqlUuid>, _>(of.owner_id)
    .bind::<Text, _>(of.currency)
    .bind::<Timestamptz, _>(of.from)
    .bind::<Timestamptz, _>(of.to)
    .get_result(conn)
    .await
}

/// The lines of the period, oldest first, each with the balance of the whole account after it.
///
/// # Errors
/// When the database refuses.
pub async fn statement(
    conn: &mut AsyncPgConnection,
    of: &StatementOf<'_>,
    opening: i64,
    (offset, limit): (i64, i64),
) -> diesel::QueryResult<Vec<BookLine>> {
    diesel::sql_query(format!(
        "WITH accounts AS ({ACCOUNTS}) SELECT e.id, e.transfer_id, t.kind, t.reference, t.description, e.amount, \
         ($7 + e.running)::bigint AS balance_after, e.created_at FROM (\
         SELECT id, transfer_id, amount, created_at, sum(amount) OVER (ORDER BY created_at, id) AS running \
         FROM ledger_entries WHERE account_id IN (SELECT id FROM accounts) \
         AND created_at >= $5 AND created_at < $6 ORDER BY created_at, id OFFSET $8 LIMIT $9) e \
         JOIN ledger_transfers t ON t.id = e.transfer_id ORDER BY e.created_at, e.id"
    ))
    .bind::<SqlUuid, _>(of.organization_id)
    .bind::<Text, _>(of.code)
    .bind::<Nullable<SqlUuid>, _>(of.owner_id)
    .bind::<Text, _>(of.currency)
    .bind::<Timestamptz, _>(of.from)
    .bind::<Timestamptz, _>(of.to)
    .bind::<BigInt, _>(opening)
    .bind::<BigInt, _>(offset)
    .bind::<BigInt, _>(limit)
    .load(conn)
    .await
}

/// The first moment of a day.
pub(crate) fn start_of(day: NaiveDate) -> DateTime<Utc> {
    day.and_time(NaiveTime::MIN).and_utc()
}

/// The first moment after a day.
pub(crate) fn end_of(day: NaiveDate) -> DateTime<Utc> {
    start_of(day) + TimeDelta::days(1)
}
