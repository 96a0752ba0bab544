use chrono::{DateTime, Utc};
use diesel::{
    OptionalExtension, QueryableByName,
    sql_types::{BigInt, Nullable, Text, Timestamptz, Uuid as SqlUuid},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use crate::reconciliation::{self, NewException, OVERPAID};

#[derive(QueryableByName)]
struct Sums {
    #[diesel(sql_type = SqlUuid)]
    organization_id: Uuid,
    #[diesel(sql_type = Text)]
    currency: String,
    #[diesel(sql_type = BigInt)]
    total: i64,
    #[diesel(sql_type = BigInt)]
    paid: i64,
}

/// Looks whether more was paid on an invoice than it asks for (two payments at once, or more than was
/// due): the money is booked, and somebody must give the surplus back. Called with every change.
///
/// # Errors
/// When the database refuses.
pub(crate) async fn watch_invoice(
    conn: &mut AsyncPgConnection,
    invoice: Uuid,
    now: DateTime<Utc>,
) -> diesel::QueryResult<()> {
    let sums: Option<Sums> = diesel::sql_query(
        "SELECT i.organization_id, i.currency, i.total_amount AS total, \
         (SELECT coalesce(sum(b.amount - coalesce(p.refunded_amount, 0)), 0) FROM bookings b \
         LEFT JOIN payments p ON p.id = b.online_payment_id WHERE b.invoice_id = i.invoice_id)::bigint AS paid \
         FROM invoice_copies i WHERE i.invoice_id = $1",
    )
    .bind::<SqlUuid, _>(invoice)
    .get_result(conn)
    .await
    .optional()?;
    let Some(sums) = sums.filter(|sums| sums.paid > sums.total) else {
        return Ok(());
    };
    let difference = NewException {
        organization_id: Some(sums.organization_id),
        provider: "portal".to_owned(),
        kind: OVERPAID.to_owned(),
        subject: invoice.to_string(),
        payment_id: None,
        currency: Some(sums.currency),
        expected: Some(sums.total),
        found: Some(sums.paid),
    };
    reconciliation::raise(conn, &difference, now.date_naive(), now).await?;
    Ok(())
}

/// One line of the clinic's lists.
#[derive(Debug, Clone, QueryableByName)]
pub(super) struct Line {
    #[diesel(sql_type = SqlUuid)]
    pub(super) invoice_id: Uuid,
    #[diesel(sql_type = SqlUuid)]
    pub(super) patient_id: Uuid,
    #[diesel(sql_type = Text)]
    pub(super) status: String,
    #[diesel(sql_type = BigInt)]
    pub(super) total_amount: i64,
    #[diesel(sql_type = Text)]
    pub(super) currency: String,
    #[diesel(sql_type = Nullable<SqlUuid>)]
    pub(super) report_id: Option<Uuid>,
    #[diesel(sql_type = Timestamptz)]
    pub(super) since: DateTime<Utc>,
}

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = BigInt)]
    number: i64,
}

/// A list: columns, where from, order.
type Shape = (&'static str, &'static str, &'static str);

/// Paid but not reported, the longest waiting first.
pub(super) const UNREPORTED: Shape = (
    "i.invoice_id, i.patient_id, i.status, i.total_amount, i.currency, NULL::uuid AS report_id, \
     coalesce(i.paid_at, i.updated_at) AS since",
    "FROM invoice_copies i WHERE i.organization_id = $1 AND i.status = 'paid' AND i.updated_at < $2 \
     AND NOT EXISTS (SELECT 1 FROM report_copies r WHERE r.invoice_id = i.invoice_id)",
    "i.updated_at, i.invoice_id",
);

/// Reported but not paid, the longest waiting first.
pub(super) const UNPAID: Shape = (
    "i.invoice_id, i.patient_id, i.status, i.total_amount, i.currency, r.report_id, r.published_at AS since",
    "FROM report_copies r JOIN invoice_copies i ON i.invoice_id = r.invoice_id WHERE r.organization_id = $1 \
     AND r.published_at < $2 AND i.organization_id = $1 AND i.status NOT IN ('paid', 'cancelled')",
    "r.published_at, r.report_id",
);

/// A page of a list of what has waited since before `before`, and how long the list is.
pub(super) async fn list(
    conn: &mut AsyncPgConnection,
    (columns, from, order): Shape,
    (organization, before): (Uuid, DateTime<Utc>),
    (offset, limit): (i64, i64),
) -> diesel::QueryResult<(i64, Vec<Line>)> {
    let total: Count = diesel::sql_query(format!("SELECT count(*) AS number {from}"))
        .bind::<SqlUuid, _>(organization)
        .bind::<Timestamptz, _>(before)
        .get_result(conn)
        .await?;
    let lines = diesel::sql_query(format!(
        "SELECT {columns} {from} ORDER BY {order} OFFSET $3 LIMIT $4"
    ))
    .bind::<SqlUuid, _>(organization)
    .bind::<Timestamptz, _>(before)
    .bind::<BigInt, _>(offset)
    .bind::<BigInt, _>(limit)
    .load(conn)
    .await?;
    Ok((total.number, lines))
}
