use chrono::{DateTime, Utc};
use common_types::Currency;
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use service_events::inbox;
use uuid::Uuid;

use super::store::watch_invoice;
use crate::schema::{invoice_copies as invoices, report_copies as reports};

/// The name under which versions of invoices are remembered.
const CONSUMER: &str = "payments.invoices";

/// An invoice as portal says it is.
#[derive(Debug, Clone, Copy)]
pub(super) struct InvoiceCopy<'a> {
    pub(super) invoice_id: Uuid,
    pub(super) organization_id: Uuid,
    pub(super) patient_id: Uuid,
    pub(super) status: &'a str,
    pub(super) total_amount: i64,
    pub(super) currency: Currency,
    pub(super) version: i64,
    pub(super) paid_at: Option<DateTime<Utc>>,
    pub(super) changed_at: DateTime<Utc>,
}

/// A published report as portal says it is.
#[derive(Debug, Clone, Copy)]
pub(super) struct ReportCopy {
    pub(super) report_id: Uuid,
    pub(super) organization_id: Uuid,
    pub(super) patient_id: Uuid,
    pub(super) invoice_id: Option<Uuid>,
    pub(super) published_at: DateTime<Utc>,
}

/// Keeps the copy unless a newer one is there, whichever way that came.
pub(super) async fn copy_invoice(
    conn: &mut AsyncPgConnection,
    new: InvoiceCopy<'_>,
    now: DateTime<Utc>,
) -> QueryResult<()> {
    if !inbox::is_newer(conn, CONSUMER, new.invoice_id, new.version).await? {
        return Ok(());
    }
    let copy = (
        invoices::status.eq(new.status),
        invoices::total_amount.eq(new.total_amount),
        invoices::version.eq(new.version),
        invoices::paid_at.eq(new.paid_at),
        invoices::updated_at.eq(new.changed_at),
    );
    diesel::insert_into(invoices::table)
        .values((
            invoices::invoice_id.eq(new.invoice_id),
            invoices::organization_id.eq(new.organization_id),
            invoices::patient_id.eq(new.patient_id),
            invoices::currency.eq(new.currency.code()),
            copy,
        ))
        .on_conflict(invoices::invoice_id)
        .do_update()
        .set(copy)
        .execute(conn)
        .await?;
    watch_invoice(conn, new.invoice_id, now).await
}

/// Keeps the report once.
pub(super) async fn copy_report(
    conn: &mut AsyncPgConnection,
    new: ReportCopy,
) -> QueryResult<usize> {
    diesel::insert_into(reports::table)
        .values((
            reports::report_id.eq(new.report_id),
            reports::organization_id.eq(new.organization_id),
            reports::patient_id.eq(new.patient_id),
            reports::invoice_id.eq(new.invoice_id),
            reports::published_at.eq(new.published_at),
        ))
        .on_conflict_do_nothing()
        .execute(conn)
        .await
}
