//! Rows of invoices, lines and counters.

use chrono::{DateTime, NaiveDate, Utc};
use diesel::{
    prelude::*,
    sql_query,
    sql_types::{BigInt, Text, Uuid as SqlUuid},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use crate::schema::{invoice_lines, invoices};

#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = invoices)]
pub(crate) struct InvoiceRow {
    pub(crate) id: Uuid,
    pub(crate) number: i64,
    pub(crate) organization_id: Uuid,
    pub(crate) invoice_number: String,
    pub(crate) patient_id: Uuid,
    pub(crate) created_by_name: String,
    pub(crate) invoice_date: NaiveDate,
    pub(crate) due_date: NaiveDate,
    pub(crate) status: String,
    pub(crate) currency: String,
    pub(crate) tax_rate_hundredths: i32,
    pub(crate) subtotal_amount: i64,
    pub(crate) tax_amount: i64,
    pub(crate) total_amount: i64,
    pub(crate) notes: String,
    pub(crate) access_id: Option<Uuid>,
    pub(crate) version: i64,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) updated_at: DateTime<Utc>,
}

#[derive(Debug, Insertable)]
#[diesel(table_name = invoices)]
pub(crate) struct NewInvoice<'a> {
    pub(crate) id: Uuid,
    pub(crate) organization_id: Uuid,
    pub(crate) invoice_number: &'a str,
    pub(crate) patient_id: Uuid,
    pub(crate) created_by: Option<Uuid>,
    pub(crate) created_by_name: &'a str,
    pub(crate) invoice_date: NaiveDate,
    pub(crate) due_date: NaiveDate,
    pub(crate) status: &'a str,
    pub(crate) currency: &'a str,
    pub(crate) tax_rate_hundredths: i32,
    pub(crate) subtotal_amount: i64,
    pub(crate) tax_amount: i64,
    pub(crate) total_amount: i64,
    pub(crate) notes: &'a str,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) updated_at: DateTime<Utc>,
}

#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = invoice_lines)]
pub(crate) struct LineRow {
    pub(crate) number: i64,
    pub(crate) invoice_id: Uuid,
    pub(crate) exam_type_id: Option<Uuid>,
    pub(crate) description: String,
    pub(crate) quantity: i64,
    pub(crate) unit_price_amount: i64,
    pub(crate) total_amount: i64,
}

#[derive(Debug, Insertable)]
#[diesel(table_name = invoice_lines)]
pub(crate) struct NewLine<'a> {
    pub(crate) id: Uuid,
    pub(crate) organization_id: Uuid,
    pub(crate) invoice_id: Uuid,
    pub(crate) position: i32,
    pub(crate) exam_type_id: Option<Uuid>,
    pub(crate) description: &'a str,
    pub(crate) quantity: i64,
    pub(crate) unit_price_amount: i64,
    pub(crate) total_amount: i64,
}

/// The next number of a series; the counter's row stays locked until the transaction ends, so numbers have no gaps.
pub(crate) async fn next_in_series(
    conn: &mut AsyncPgConnection,
    organization: Uuid,
    series: &str,
) -> QueryResult<i64> {
    #[derive(QueryableByName)]
    struct Next {
        #[diesel(sql_type = BigInt)]
        last_value: i64,
    }
    let next: Next = sql_query(
        "INSERT INTO document_counters (organization_id, series, last_value) VALUES ($1, $2, 1) \
         ON CONFLICT (organization_id, series) DO UPDATE SET last_value = document_counters.last_value + 1 \
         RETURNING last_value",
    )
    .bind::<SqlUuid, _>(organization)
    .bind::<Text, _>(series)
    .get_result(conn)
    .await?;
    Ok(next.last_value)
}

pub(crate) async fn insert_invoice(
    conn: &mut AsyncPgConnection,
    new: &NewInvoice<'_>,
) -> QueryResult<InvoiceRow> {
    diesel::insert_into(invoices::table)
        .values(new)
        .returning(InvoiceRow::as_returning())
        .get_result(conn)
        .await
}

pub(crate) async fn insert_lines(
    conn: &mut AsyncPgConnection,
    lines: &[NewLine<'_>],
) -> QueryResult<Vec<LineRow>> {
    diesel::insert_into(invoice_lines::table)
        .values(lines)
        .returning(LineRow::as_returning())
        .get_results(conn)
        .await
}

pub(crate) async fn delete_lines(
    conn: &mut AsyncPgConnection,
    organization: Uuid,
    invoice: Uuid,
) -> QueryResult<usize> {
    diesel::delete(
        invoice_lines::table
            .filter(invoice_lines::organization_id.eq(organization))
            .filter(invoice_lines::invoice_id.eq(invoice)),
    )
    .execute(conn)
    .await
}

pub(crate) async fn list_lines(
    conn: &mut AsyncPgConnection,
    organization: Uuid,
    invoices: &[Uuid],
) -> QueryResult<Vec<LineRow>> {
    invoice_lines::table
        .filter(invoice_lines::organization_id.eq(organization))
        .filter(invoice_lines::invoice_id.eq_any(invoices))
        .order_by((invoice_lines::invoice_id, invoice_lines::position))
        .select(LineRow::as_select())
        .load(conn)
        .await
}

pub(crate) async fn find_invoice_by_number(
    conn: &mut AsyncPgConnection,
    organization: Uuid,
    number: i64,
) -> QueryResult<Option<InvoiceRow>> {
    invoices::table
        .filter(invoices::organization_id.eq(organization))
        .filter(invoices::number.eq(number))
        .filter(invoices::hidden_at.is_null())
        .select(InvoiceRow::as_select())
        .first(conn)
        .await
        .optional()
}

/// By id across organisations: for services, whose token stands for all of them.
pub(crate) async fn find_invoice_for_service(
    conn: &mut AsyncPgConnection,
    id: Uuid,
) -> QueryResult<Option<InvoiceRow>> {
    invoices::table
        .filter(invoices::id.eq(id))
        .filter(invoices::hidden_at.is_null())
        .select(InvoiceRow::as_select())
        .first(conn)
        .await
        .optional()
}

pub(crate) async fn find_invoices(
    conn: &mut AsyncPgConnection,
    organization: Uuid,
    ids: &[Uuid],
) -> QueryResult<Vec<InvoiceRow>> {
    invoices::table
        .filter(invoices::organization_id.eq(organization))
        .filter(invoices::id.eq_any(ids))
        .select(InvoiceRow::as_select())
        .load(conn)
        .await
}

/// Locks the invoice until the transaction ends: money on one invoice moves one after the other.
pub(crate) async fn lock_invoice(
    conn: &mut AsyncPgConnection,
    organization: Uuid,
    id: Uuid,
) -> QueryResult<Option<InvoiceRow>> {
    invoices::table
        .filter(invoices::organization_id.eq(organization))
        .filter(invoices::id.eq(id))
        .select(InvoiceRow::as_select())
        .for_no_key_update()
        .first(conn)
        .await
        .optional()
}

/// The newest paid invoice of this patient with these keys (R08).
pub(crate) async fn find_paid_for_access(
    conn: &mut AsyncPgConnection,
    organization: Uuid,
    patient: Uuid,
    access: Uuid,
) -> QueryResult<Option<InvoiceRow>> {
    invoices::table
        .filter(invoices::organization_id.eq(organization))
        .filter(invoices::patient_id.eq(patient))
        .filter(invoices::access_id.eq(access))
        .filter(invoices::status.eq("paid"))
        .order_by(invoices::created_at.desc())
        .select(InvoiceRow::as_select())
        .first(conn)
        .await
        .optional()
}

pub(crate) async fn set_status(
    conn: &mut AsyncPgConnection,
    id: Uuid,
    status: &str,
    paid_at: Option<DateTime<Utc>>,
    access: Option<Uuid>,
    now: DateTime<Utc>,
) -> QueryResult<InvoiceRow> {
    diesel::update(invoices::table.find(id))
        .set((
            invoices::status.eq(status),
            invoices::paid_at.eq(paid_at),
            invoices::access_id.eq(access),
            invoices::version.eq(invoices::version + 1),
            invoices::updated_at.eq(now),
        ))
        .returning(InvoiceRow::as_returning())
        .get_result(conn)
        .await
}

/// What staff may change by hand.
#[derive(Debug, AsChangeset)]
#[diesel(table_name = invoices)]
pub(crate) struct InvoiceChange<'a> {
    pub(crate) invoice_date: NaiveDate,
    pub(crate) due_date: NaiveDate,
    pub(crate) status: &'a str,
    pub(crate) tax_rate_hundredths: i32,
    pub(crate) subtotal_amount: i64,
    pub(crate) tax_amount: i64,
    pub(crate) total_amount: i64,
    pub(crate) notes: &'a str,
    pub(crate) updated_at: DateTime<Utc>,
}

pub(crate) async fn update_invoice(
    conn: &mut AsyncPgConnection,
    id: Uuid,
    change: &InvoiceChange<'_>,
) -> QueryResult<InvoiceRow> {
    diesel::update(invoices::table.find(id))
        .set((change, invoices::version.eq(invoices::version + 1)))
        .returning(InvoiceRow::as_returning())
        .get_result(conn)
        .await
}

/// Cancels and takes it out of the lists; the row and its number stay.
pub(crate) async fn hide_invoice(
    conn: &mut AsyncPgConnection,
    id: Uuid,
    now: DateTime<Utc>,
) -> QueryResult<usize> {
    diesel::update(invoices::table.find(id))
        .set((
            invoices::status.eq("cancelled"),
            invoices::hidden_at.eq(now),
            invoices::version.eq(invoices::version + 1),
            invoices::updated_at.eq(now),
        ))
        .execute(conn)
        .await
}
