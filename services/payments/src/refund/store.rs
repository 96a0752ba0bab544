use chrono::{DateTime, Utc};
use common_types::{Currency, Money};
use diesel::{
    prelude::*,
    sql_types::{BigInt, Text, Timestamptz, Uuid as SqlUuid},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use super::{Method, Refund, RefundStatus};
use crate::{
    payment::Payment,
    schema::{payments, refunds},
};

#[derive(Debug, Queryable, Selectable)]
#[diesel(table_name = refunds, check_for_backend(diesel::pg::Pg))]
pub(super) struct RefundRow {
    id: Uuid,
    payment_id: Uuid,
    organization_id: Uuid,
    amount: i64,
    currency: String,
    method: String,
    status: String,
    reason: String,
    requested_by: Uuid,
    decided_by: Option<Uuid>,
    provider: String,
    provider_reference: Option<String>,
    failure_reason: Option<String>,
    hold_transfer_id: Uuid,
    checks: i32,
    created_at: DateTime<Utc>,
    completed_at: Option<DateTime<Utc>>,
}

impl From<RefundRow> for Refund {
    fn from(row: RefundRow) -> Self {
        Self {
            id: row.id,
            payment_id: row.payment_id,
            organization_id: row.organization_id,
            price: Money::new(row.amount, row.currency.parse().unwrap_or(Currency::Irr)),
            // The database knows no other method or status.
            method: Method::parse(&row.method).unwrap_or(Method::Manual),
            status: RefundStatus::parse(&row.status).unwrap_or(RefundStatus::Failed),
            reason: row.reason,
            requested_by: row.requested_by,
            decided_by: row.decided_by,
            provider: row.provider,
            provider_reference: row.provider_reference,
            failure_reason: row.failure_reason,
            hold_transfer_id: row.hold_transfer_id,
            checks: row.checks,
            created_at: row.created_at,
            completed_at: row.completed_at,
        }
    }
}

/// What a refund begins with.
pub(super) struct NewRefund<'a> {
    pub(super) id: Uuid,
    pub(super) payment: &'a Payment,
    pub(super) amount: i64,
    pub(super) method: Method,
    pub(super) status: RefundStatus,
    pub(super) reason: &'a str,
    pub(super) reference: Option<&'a str>,
    pub(super) requested_by: Uuid,
    pub(super) hold_transfer_id: Uuid,
    pub(super) next_check_at: Option<DateTime<Utc>>,
}

/// Sets `amount` of a payment aside, or all that is left for `None`. The condition and the change are
/// one statement, so that parallel refunds never take more than was paid. Answers what was set aside.
pub(super) async fn reserve(
    conn: &mut AsyncPgConnection,
    payment: Uuid,
    amount: Option<i64>,
    now: DateTime<Utc>,
) -> QueryResult<Option<i64>> {
    #[derive(QueryableByName)]
    struct Reserved {
        #[diesel(sql_type = BigInt)]
        reserved: i64,
    }
    let row: Option<Reserved> = diesel::sql_query(
        "UPDATE payments SET refund_reserved = payments.refund_reserved + wanted.amount, updated_at = $3 \
         FROM (SELECT id, coalesce($2, amount - refunded_amount - refund_reserved) AS amount \
         FROM payments WHERE id = $1 FOR UPDATE) AS wanted WHERE payments.id = wanted.id \
         AND payments.status IN ('completed', 'partially_refunded') AND wanted.amount > 0 \
         AND wanted.amount <= payments.amount - payments.refunded_amount - payments.refund_reserved \
         RETURNING wanted.amount AS reserved",
    )
    .bind::<SqlUuid, _>(payment)
    .bind::<diesel::sql_types::Nullable<BigInt>, _>(amount)
    .bind::<Timestamptz, _>(now)
    .get_result(conn)
    .await
    .optional()?;
    Ok(row.map(|row| row.reserved))
}

/// Gives what was set aside free again.
pub(super) async fn release(
    conn: &mut AsyncPgConnection,
    refund: &Refund,
    now: DateTime<Utc>,
) -> QueryResult<usize> {
    diesel::update(payments::table.find(refund.payment_id))
        .set((
            payments::refund_reserved.eq(payments::refund_reserved - refund.price.amount),
            payments::updated_at.eq(now),
        ))
        .execute(conn)
        .await
}

/// The payment after a refund succeeded.
#[derive(QueryableByName)]
pub(super) struct AfterRefund {
    #[diesel(sql_type = BigInt)]
    pub(super) version: i64,
    #[diesel(sql_type = BigInt)]
    pub(super) refunded_amount: i64,
    #[diesel(sql_type = Text)]
    pub(super) status: String,
}

/// Counts what was set aside as gone: completed → partially_refunded → refunded, never back.
pub(super) async fn count_refunded(
    conn: &mut AsyncPgConnection,
    refund: &Refund,
    now: DateTime<Utc>,
) -> QueryResult<AfterRefund> {
    diesel::sql_query(
        "UPDATE payments SET refunded_amount = refunded_amount + $2, refund_reserved = refund_reserved - $2, \
         status = CASE WHEN refunded_amount + $2 = amount THEN 'refunded' ELSE 'partially_refunded' END, \
         version = version + 1, updated_at = $3 WHERE id = $1 RETURNING version, refunded_amount, status",
    )
    .bind::<SqlUuid, _>(refund.payment_id)
    .bind::<BigInt, _>(refund.price.amount)
    .bind::<Timestamptz, _>(now)
    .get_result(conn)
    .await
}

pub(super) async fn insert_refund(
    conn: &mut AsyncPgConnection,
    new: &NewRefund<'_>,
    now: DateTime<Utc>,
) -> QueryResult<Refund> {
    let row: RefundRow = diesel::insert_into(refunds::table)
        .values((
            (
                refunds::id.eq(new.id),
                refunds::payment_id.eq(new.payment.id),
                refunds::organization_id.eq(new.payment.organization_id),
                refunds::amount.eq(new.amount),
                refunds::currency.eq(new.payment.price.currency.code()),
                refunds::method.eq(new.method.as_str()),
                refunds::status.eq(new.status.as_str()),
                refunds::reason.eq(new.reason),
            ),
            refunds::requested_by.eq(new.requested_by),
            refunds::provider.eq(&new.payment.provider),
            refunds::provider_reference.eq(new.reference),
            refunds::hold_transfer_id.eq(new.hold_transfer_id),
            refunds::next_check_at.eq(new.next_check_at),
            refunds::created_at.eq(now),
            refunds::updated_at.eq(now),
        ))
        .returning(RefundRow::as_returning())
        .get_result(conn)
        .await?;
    Ok(row.into())
}

/// A refund of an organisation.
pub(super) async fn find_refund(
    conn: &mut AsyncPgConnection,
    organization: Uuid,
    id: Uuid,
) -> QueryResult<Option<Refund>> {
    let row = refunds::table
        .find(id)
        .filter(refunds::organization_id.eq(organization))
        .select(RefundRow::as_select())
        .first(conn)
        .await;
    Ok(row.optional()?.map(Refund::from))
}

/// A refund that somebody asks the provider about.
pub(super) async fn get_refund(conn: &mut AsyncPgConnection, id: Uuid) -> QueryResult<Refund> {
    let row: RefundRow = refunds::table
        .find(id)
        .select(RefundRow::as_select())
        .first(conn)
        .await?;
    Ok(row.into())
}

/// Takes the decision of a second person; `None` when it is not waiting for one, or the person is
/// the one who asked.
pub(super) async fn decide(
    conn: &mut AsyncPgConnection,
    (organization, id): (Uuid, Uuid),
    (status, by, why): (RefundStatus, Uuid, Option<&str>),
    next_check_at: Option<DateTime<Utc>>,
    now: DateTime<Utc>,
) -> QueryResult<Option<Refund>> {
    let row = diesel::update(refunds::table.find(id))
        .filter(refunds::organization_id.eq(organization))
        .filter(refunds::status.eq(RefundStatus::AwaitingApproval.as_str()))
        .filter(refunds::requested_by.ne(by))
        .set((
            refunds::status.eq(status.as_str()),
            refunds::decided_by.eq(by),
            refunds::decision_reason.eq(why),
            refunds::next_check_at.eq(next_check_at),
            refunds::updated_at.eq(now),
        ))
        .returning(RefundRow::as_returning())
        .get_result(conn)
        .await;
    Ok(row.optional()?.map(Refund::from))
}

/// processing → succeeded; `None` when it is no longer processing. This one conditional change is
/// what makes a refund count once.
pub(super) async fn mark_succeeded(
    conn: &mut AsyncPgConnection,
    id: Uuid,
    (reference, transfer): (Option<&str>, Uuid),
    now: DateTime<Utc>,
) -> QueryResult<Option<Refund>> {
    let row = diesel::update(refunds::table.find(id))
        .filter(refunds::status.eq(RefundStatus::Processing.as_str()))
        .set((
            refunds::status.eq(RefundStatus::Succeeded.as_str()),
            reference.map(|reference| refunds::provider_reference.eq(reference)),
            refunds::transfer_id.eq(transfer),
            refunds::next_check_at.eq(None::<DateTime<Utc>>),
            refunds::completed_at.eq(now),
            refunds::updated_at.eq(now),
        ))
        .returning(RefundRow::as_returning())
        .get_result(conn)
        .await;
    Ok(row.optional()?.map(Refund::from))
}

/// processing → failed; `None` when it is no longer processing.
pub(super) async fn mark_failed(
    conn: &mut AsyncPgConnection,
    id: Uuid,
    reason: &str,
    now: DateTime<Utc>,
) -> QueryResult<Option<Refund>> {
    let row = diesel::update(refunds::table.find(id))
        .filter(refunds::status.eq(RefundStatus::Processing.as_str()))
        .set((
            refunds::status.eq(RefundStatus::Failed.as_str()),
            refunds::failure_reason.eq(reason),
            refunds::next_check_at.eq(None::<DateTime<Utc>>),
            refunds::updated_at.eq(now),
        ))
        .returning(RefundRow::as_returning())
        .get_result(conn)
        .await;
    Ok(row.optional()?.map(Refund::from))
}

/// One more question without a final answer.
pub(super) async fn note_check(
    conn: &mut AsyncPgConnection,
    id: Uuid,
    reference: Option<&str>,
    next_check_at: DateTime<Utc>,
) -> QueryResult<usize> {
    diesel::update(refunds::table.find(id))
        .filter(refunds::status.eq(RefundStatus::Processing.as_str()))
        .set((
            reference.map(|reference| refunds::provider_reference.eq(reference)),
            refunds::checks.eq(refunds::checks + 1),
            refunds::next_check_at.eq(next_check_at),
        ))
        .execute(conn)
        .await
}

/// Refunds whose question is due, put off by `lease` so that no other process asks as well.
pub(super) async fn claim_due(
    conn: &mut AsyncPgConnection,
    (now, lease): (DateTime<Utc>, DateTime<Utc>),
    limit: i64,
) -> QueryResult<Vec<Uuid>> {
    #[derive(QueryableByName)]
    struct Claimed {
        #[diesel(sql_type = SqlUuid)]
        id: Uuid,
    }
    let claimed: Vec<Claimed> = diesel::sql_query(
        "UPDATE refunds SET next_check_at = $2 WHERE id IN (SELECT id FROM refunds \
         WHERE next_check_at <= $1 ORDER BY next_check_at LIMIT $3 FOR UPDATE SKIP LOCKED) RETURNING id",
    )
    .bind::<Timestamptz, _>(now)
    .bind::<Timestamptz, _>(lease)
    .bind::<BigInt, _>(limit)
    .load(conn)
    .await?;
    Ok(claimed.into_iter().map(|row| row.id).collect())
}

/// Which refunds a list shows.
#[derive(Debug, Clone, Default)]
pub(super) struct RefundFilter {
    pub(super) payment_id: Option<Uuid>,
    pub(super) status: Option<String>,
}

/// Refunds of an organisation, newest first, and how many there are.
pub(super) async fn list_refunds(
    conn: &mut AsyncPgConnection,
    organization: Uuid,
    filter: &RefundFilter,
    (offset, limit): (i64, i64),
) -> QueryResult<(i64, Vec<Refund>)> {
    let filtered = || {
        let mut query = refunds::table
            .filter(refunds::organization_id.eq(organization))
            .into_boxed();
        if let Some(payment) = filter.payment_id {
            query = query.filter(refunds::payment_id.eq(payment));
        }
        if let Some(status) = &filter.status {
            query = query.filter(refunds::status.eq(status.clone()));
        }
        query
    };
    let total = filtered().count().get_result(conn).await?;
    let rows: Vec<RefundRow> = filtered()
        .order((refunds::created_at.desc(), refunds::id.desc()))
        .offset(offset)
        .limit(limit)
        .select(RefundRow::as_select())
        .load(conn)
        .await?;
    Ok((total, rows.into_iter().map(Refund::from).collect()))
}
