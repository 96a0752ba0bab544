//! Changes of a payment's state: each is one conditional statement, so that of two who come at the
//! same time one finds nothing to change.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use super::{
    Payment, Status,
    store::{OPEN, PaymentRow},
};
use crate::{providers::Opened, schema::payments};

/// Statuses that a settlement may leave behind.
const UNSETTLED: [&str; 5] = ["pending", "processing", "failed", "cancelled", "expired"];

/// Takes over a start that was left behind; `false` when another did.
pub(super) async fn take_over(
    conn: &mut AsyncPgConnection,
    payment: &Payment,
    now: DateTime<Utc>,
) -> QueryResult<bool> {
    let taken = diesel::update(payments::table.find(payment.id))
        .filter(payments::status.eq(Status::Pending.as_str()))
        .filter(payments::updated_at.eq(payment.updated_at))
        .set(payments::updated_at.eq(now))
        .execute(conn)
        .await?;
    Ok(taken == 1)
}

/// Frees the key of a start that failed, so that the same request may try again.
pub(super) async fn release_request(conn: &mut AsyncPgConnection, id: Uuid) -> QueryResult<usize> {
    diesel::update(payments::table.find(id))
        .set(payments::request_key.eq(None::<String>))
        .execute(conn)
        .await
}

/// pending → processing; `None` when it is no longer pending.
pub(super) async fn mark_opened(
    conn: &mut AsyncPgConnection,
    (id, provider): (Uuid, &str),
    opened: &Opened,
    next_check_at: Option<DateTime<Utc>>,
    now: DateTime<Utc>,
) -> QueryResult<Option<Payment>> {
    let row = diesel::update(payments::table.find(id))
        .filter(payments::status.eq(Status::Pending.as_str()))
        .filter(payments::provider.eq(provider))
        .set((
            payments::status.eq(Status::Processing.as_str()),
            payments::provider_reference.eq(&opened.reference),
            payments::payment_url.eq(&opened.payment_url),
            payments::version.eq(payments::version + 1),
            payments::next_check_at.eq(next_check_at),
            payments::checks.eq(0),
            payments::updated_at.eq(now),
        ))
        .returning(PaymentRow::as_returning())
        .get_result(conn)
        .await;
    Ok(row.optional()?.map(Payment::from))
}

/// Hands a payment that nobody could pay yet to another provider; `false` when it is no longer with
/// the first one or was opened meanwhile.
pub(super) async fn switch_provider(
    conn: &mut AsyncPgConnection,
    id: Uuid,
    (from, to): (&str, &str),
    now: DateTime<Utc>,
) -> QueryResult<bool> {
    let switched = diesel::update(payments::table.find(id))
        .filter(payments::status.eq(Status::Pending.as_str()))
        .filter(payments::provider.eq(from))
        .set((payments::provider.eq(to), payments::updated_at.eq(now)))
        .execute(conn)
        .await?;
    Ok(switched == 1)
}

/// Anything unsettled → completed; those that were settled before are not among the answered. This one
/// conditional change is what makes a settlement happen once.
pub(super) async fn mark_completed(
    conn: &mut AsyncPgConnection,
    ids: &[Uuid],
    tracking_code: Option<&str>,
    now: DateTime<Utc>,
) -> QueryResult<Vec<Payment>> {
    let rows: Vec<PaymentRow> = diesel::update(payments::table)
        .filter(payments::id.eq_any(ids))
        .filter(payments::status.eq_any(UNSETTLED))
        .set((
            payments::status.eq(Status::Completed.as_str()),
            payments::tracking_code.eq(tracking_code),
            payments::version.eq(payments::version + 1),
            payments::next_check_at.eq(None::<DateTime<Utc>>),
            payments::review_reason.eq(None::<String>),
            payments::failure_reason.eq(None::<String>),
            payments::completed_at.eq(now),
            payments::updated_at.eq(now),
        ))
        .returning(PaymentRow::as_returning())
        .get_results(conn)
        .await?;
    Ok(rows.into_iter().map(Payment::from).collect())
}

/// Open → ended without money; `None` when it is no longer open.
pub(super) async fn mark_ended(
    conn: &mut AsyncPgConnection,
    id: Uuid,
    (status, reason): (Status, &str),
    next_check_at: Option<DateTime<Utc>>,
    now: DateTime<Utc>,
) -> QueryResult<Option<Payment>> {
    let row = diesel::update(payments::table.find(id))
        .filter(payments::status.eq_any(OPEN))
        .set((
            payments::status.eq(status.as_str()),
            payments::failure_reason.eq(reason),
            payments::version.eq(payments::version + 1),
            payments::next_check_at.eq(next_check_at),
            payments::checks.eq(0),
            payments::updated_at.eq(now),
        ))
        .returning(PaymentRow::as_returning())
        .get_result(conn)
        .await;
    Ok(row.optional()?.map(Payment::from))
}

/// The provider contradicts our row: nobody asks again until something new happens.
pub(super) async fn mark_review(
    conn: &mut AsyncPgConnection,
    id: Uuid,
    reason: &str,
    now: DateTime<Utc>,
) -> QueryResult<usize> {
    diesel::update(payments::table.find(id))
        .filter(payments::status.eq_any(UNSETTLED))
        .set((
            payments::review_reason.eq(reason),
            payments::next_check_at.eq(None::<DateTime<Utc>>),
            payments::updated_at.eq(now),
        ))
        .execute(conn)
        .await
}

/// One more vain question.
pub(super) async fn note_check(
    conn: &mut AsyncPgConnection,
    id: Uuid,
    next_check_at: Option<DateTime<Utc>>,
) -> QueryResult<usize> {
    diesel::update(payments::table.find(id))
        .filter(payments::status.eq_any(UNSETTLED))
        .set((
            payments::checks.eq(payments::checks + 1),
            payments::next_check_at.eq(next_check_at),
        ))
        .execute(conn)
        .await
}

/// Asks for a question at once; does nothing to a settled payment.
pub(super) async fn check_soon(
    conn: &mut AsyncPgConnection,
    id: Uuid,
    now: DateTime<Utc>,
) -> QueryResult<usize> {
    diesel::update(payments::table.find(id))
        .filter(payments::status.eq_any(UNSETTLED))
        .set(payments::next_check_at.eq(now))
        .execute(conn)
        .await
}

/// Payments whose question is due, put off by `lease` so that no other process asks as well.
pub(super) async fn claim_due(
    conn: &mut AsyncPgConnection,
    (now, lease): (DateTime<Utc>, DateTime<Utc>),
    limit: i64,
) -> QueryResult<Vec<Uuid>> {
    use diesel::sql_types::{BigInt, Timestamptz, Uuid as SqlUuid};
    #[derive(QueryableByName)]
    struct Claimed {
        #[diesel(sql_type = SqlUuid)]
        id: Uuid,
    }
    let claimed: Vec<Claimed> = diesel::sql_query(
        "UPDATE payments SET next_check_at = $2 WHERE id IN (SELECT id FROM payments \
         WHERE next_check_at <= $1 ORDER BY next_check_at LIMIT $3 FOR UPDATE SKIP LOCKED) \
         RETURNING id",
    )
    .bind::<Timestamptz, _>(now)
    .bind::<Timestamptz, _>(lease)
    .bind::<BigInt, _>(limit)
    .load(conn)
    .await?;
    Ok(claimed.into_iter().map(|row| row.id).collect())
}

/// Keeps a number that a browser brought along; at most the five newest different ones.
///
/// # Errors
/// When the database refuses.
pub async fn add_hint(conn: &mut AsyncPgConnection, id: Uuid, hint: &str) -> QueryResult<usize> {
    use diesel::sql_types::{Text, Uuid as SqlUuid};
    diesel::sql_query(
        "UPDATE payments SET hints = (array_remove(hints, $2) || $2)[greatest(1, \
         cardinality(array_remove(hints, $2)) - 3):] WHERE id = $1",
    )
    .bind::<SqlUuid, _>(id)
    .bind::<Text, _>(hint)
    .execute(conn)
    .await
}
