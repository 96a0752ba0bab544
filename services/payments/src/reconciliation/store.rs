use chrono::{DateTime, NaiveDate, Utc};
use common_types::events::payments::ReconciliationAlarmed;
use diesel::{
    dsl::exists,
    prelude::*,
    select,
    sql_types::{BigInt, Bool, Date, Nullable, Text, Timestamptz, Uuid as SqlUuid},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use service_events::outbox;
use uuid::Uuid;

use crate::{
    SERVICE,
    schema::{reconciliation_exceptions as exceptions, reconciliation_runs as runs},
};

/// The kind that blocks nothing: the clinic owes its payer, and providers and books agree.
pub(crate) const OVERPAID: &str = "overpaid_invoice";

/// A difference as it was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewException {
    /// Whose money, when that is known.
    pub organization_id: Option<Uuid>,
    /// The provider's slug, or `ledger`.
    pub provider: String,
    /// What differs, such as `missing_here`.
    pub kind: String,
    /// The row or the provider's number it was found at.
    pub subject: String,
    /// The payment, when there is one.
    pub payment_id: Option<Uuid>,
    /// ISO code of the amounts.
    pub currency: Option<String>,
    /// Minor units as they should be.
    pub expected: Option<i64>,
    /// Minor units as they were found.
    pub found: Option<i64>,
}

/// A difference in the queue.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = exceptions, check_for_backend(diesel::pg::Pg))]
pub struct Exception {
    /// Its id.
    pub id: Uuid,
    /// Whose money, when that is known.
    pub organization_id: Option<Uuid>,
    /// The provider's slug, or `ledger`.
    pub provider: String,
    /// What differs.
    pub kind: String,
    /// Where.
    pub subject: String,
    /// The payment, when there is one.
    pub payment_id: Option<Uuid>,
    /// The day it belongs to.
    pub day: NaiveDate,
    /// ISO code of the amounts.
    pub currency: Option<String>,
    /// Minor units as they should be.
    pub expected: Option<i64>,
    /// Minor units as they were found.
    pub found: Option<i64>,
    /// `open` or `resolved`.
    pub status: String,
    /// What was done about it.
    pub action: Option<String>,
    /// Why.
    pub reason: Option<String>,
    /// Who resolved it.
    pub resolved_by: Option<Uuid>,
    /// When.
    pub resolved_at: Option<DateTime<Utc>>,
    /// Grows with each change.
    pub version: i64,
    /// When it was found first.
    pub created_at: DateTime<Utc>,
    /// When it was seen last.
    pub last_seen_at: DateTime<Utc>,
}

/// Writes a difference down and raises the alarm, when it is new. One that a person has accepted with
/// these very amounts is not raised again. Answers its id when it is new.
///
/// # Errors
/// When the database refuses.
pub async fn raise(
    conn: &mut AsyncPgConnection,
    new: &NewException,
    day: NaiveDate,
    now: DateTime<Utc>,
) -> QueryResult<Option<Uuid>> {
    #[derive(QueryableByName)]
    struct Written {
        #[diesel(sql_type = SqlUuid)]
        id: Uuid,
        #[diesel(sql_type = Bool)]
        fresh: bool,
    }
    let written: Option<Written> = diesel::sql_query(
        "INSERT INTO reconciliation_exceptions (id, organization_id, provider, kind, subject, payment_id, day, \
         currency, expected, found, created_at, last_seen_at) \
         SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $11 WHERE NOT EXISTS (\
         SELECT 1 FROM reconciliation_exceptions e WHERE e.kind = $4 AND e.subject = $5 AND e.status = 'resolved' \
         AND e.action IN ('accept', 'adjust') AND e.expected IS NOT DISTINCT FROM $9 AND e.found IS NOT DISTINCT FROM $10) \
         ON CONFLICT (kind, subject) WHERE status = 'open' DO UPDATE SET last_seen_at = excluded.last_seen_at, \
         expected = excluded.expected, found = excluded.found RETURNING id, xmax = 0 AS fresh",
    )
    .bind::<SqlUuid, _>(Uuid::now_v7())
    .bind::<Nullable<SqlUuid>, _>(new.organization_id)
    .bind::<Text, _>(&new.provider)
    .bind::<Text, _>(&new.kind)
    .bind::<Text, _>(&new.subject)
    .bind::<Nullable<SqlUuid>, _>(new.payment_id)
    .bind::<Date, _>(day)
    .bind::<Nullable<Text>, _>(new.currency.as_deref())
    .bind::<Nullable<BigInt>, _>(new.expected)
    .bind::<Nullable<BigInt>, _>(new.found)
    .bind::<Timestamptz, _>(now)
    .get_result(conn)
    .await
    .optional()?;
    let Some(Written { id, fresh: true }) = written else {
        return Ok(None);
    };
    let event = ReconciliationAlarmed {
        exception_id: id,
        aggregate_version: 1,
        organization_id: new.organization_id,
        provider: new.provider.clone(),
        kind: new.kind.clone(),
        payment_id: new.payment_id,
        expected: new.expected,
        found: new.found,
        currency: new.currency.clone(),
        alarmed_at: now,
    };
    outbox::emit(conn, SERVICE, &event, now).await?;
    metrics::counter!("payments_reconciliation_exceptions_total", "kind" => new.kind.clone())
        .increment(1);
    tracing::error!(alarm = "payments.reconciliation", exception = %id, kind = new.kind,
        provider = new.provider, subject = new.subject, expected = new.expected, found = new.found,
        "provider, payments and ledger differ");
    Ok(Some(id))
}

/// Whether an open difference concerns this payment.
///
/// # Errors
/// When the database refuses.
pub async fn blocks_payment(conn: &mut AsyncPgConnection, payment: Uuid) -> QueryResult<bool> {
    select(exists(
        exceptions::table
            .filter(exceptions::payment_id.eq(payment))
            .filter(exceptions::kind.ne(OVERPAID))
            .filter(exceptions::status.eq("open")),
    ))
    .get_result(conn)
    .await
}

/// Whether an open difference blocks payouts of this provider to this organisation: its own, or one
/// of which nobody knows yet whose money it is.
///
/// # Errors
/// When the database refuses.
pub async fn blocks_payouts(
    conn: &mut AsyncPgConnection,
    organization: Uuid,
    provider: &str,
) -> QueryResult<bool> {
    select(exists(
        exceptions::table
            .filter(exceptions::status.eq("open"))
            .filter(exceptions::kind.ne(OVERPAID))
            .filter(
                exceptions::organization_id
                    .eq(organization)
                    .or(exceptions::organization_id.is_null()),
            )
            .filter(exceptions::provider.eq_any([provider, "ledger"])),
    ))
    .get_result(conn)
    .await
}

/// What a look found, as it is written down.
#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = runs, check_for_backend(diesel::pg::Pg))]
pub(super) struct RunRow {
    pub(super) id: Uuid,
    pub(super) provider: String,
    pub(super) day: NaiveDate,
    pub(super) source: String,
    pub(super) outcome: String,
    pub(super) lines: i64,
    pub(super) matched: i64,
    pub(super) exceptions: i64,
    pub(super) started_at: DateTime<Utc>,
    pub(super) finished_at: DateTime<Utc>,
}

/// Writes a look down, in the place of earlier ones of that provider and day.
pub(super) async fn replace_run(conn: &mut AsyncPgConnection, run: &RunRow) -> QueryResult<()> {
    diesel::delete(
        runs::table
            .filter(runs::day.eq(run.day))
            .filter(runs::provider.eq(&run.provider)),
    )
    .execute(conn)
    .await?;
    diesel::insert_into(runs::table)
        .values(run)
        .execute(conn)
        .await?;
    Ok(())
}

pub(super) async fn list_runs(
    conn: &mut AsyncPgConnection,
    day: NaiveDate,
) -> QueryResult<Vec<RunRow>> {
    runs::table
        .filter(runs::day.eq(day))
        .order((runs::provider, runs::finished_at.desc()))
        .select(RunRow::as_select())
        .load(conn)
        .await
}

/// Whose differences are shown: an organisation's, or all for the platform's own people.
pub(super) type Reach = Option<Uuid>;

/// Which differences a list shows.
#[derive(Debug, Clone, Default)]
pub(super) struct ExceptionFilter {
    pub(super) day: Option<NaiveDate>,
    pub(super) status: Option<String>,
    pub(super) kind: Option<String>,
    pub(super) provider: Option<String>,
    pub(super) payment_id: Option<Uuid>,
}

/// Differences, newest first, and how many there are.
pub(super) async fn list_exceptions(
    conn: &mut AsyncPgConnection,
    reach: Reach,
    filter: &ExceptionFilter,
    (offset, limit): (i64, i64),
) -> QueryResult<(i64, Vec<Exception>)> {
    let filtered = || {
        let mut query = exceptions::table.into_boxed();
        if let Some(organization) = reach {
            query = query.filter(exceptions::organization_id.eq(organization));
        }
        if let Some(day) = filter.day {
            query = query.filter(exceptions::day.eq(day));
        }
        if let Some(status) = &filter.status {
            query = query.filter(exceptions::status.eq(status.clone()));
        }
        if let Some(kind) = &filter.kind {
            query = query.filter(exceptions::kind.eq(kind.clone()));
        }
        if let Some(provider) = &filter.provider {
            query = query.filter(exceptions::provider.eq(provider.clone()));
        }
        if let Some(payment) = filter.payment_id {
            query = query.filter(exceptions::payment_id.eq(payment));
        }
        query
    };
    let total = filtered().count().get_result(conn).await?;
    let rows = filtered()
        .order((exceptions::created_at.desc(), exceptions::id.desc()))
        .offset(offset)
        .limit(limit)
        .select(Exception::as_select())
        .load(conn)
        .await?;
    Ok((total, rows))
}

pub(super) async fn find_exception(
    conn: &mut AsyncPgConnection,
    reach: Reach,
    id: Uuid,
) -> QueryResult<Option<Exception>> {
    let mut query = exceptions::table.filter(exceptions::id.eq(id)).into_boxed();
    if let Some(organization) = reach {
        query = query.filter(exceptions::organization_id.eq(organization));
    }
    query
        .select(Exception::as_select())
        .first(conn)
        .await
        .optional()
}

/// open → resolved; `None` when it was resolved before.
pub(super) async fn mark_resolved(
    conn: &mut AsyncPgConnection,
    id: Uuid,
    (action, reason, by): (&str, &str, Option<Uuid>),
    now: DateTime<Utc>,
) -> QueryResult<Option<Exception>> {
    diesel::update(exceptions::table.find(id))
        .filter(exceptions::status.eq("open"))
        .set((
            exceptions::status.eq("resolved"),
            exceptions::action.eq(action),
            exceptions::reason.eq(reason),
            exceptions::resolved_by.eq(by),
            exceptions::resolved_at.eq(now),
            exceptions::version.eq(exceptions::version + 1),
        ))
        .returning(Exception::as_returning())
        .get_result(conn)
        .await
        .optional()
}
