use chrono::{DateTime, Utc};
use common_types::Currency;
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde::Deserialize;
use service_db::DbError;
use uuid::Uuid;

use super::copies::{InvoiceCopy, ReportCopy, copy_invoice, copy_report};
use crate::{AppState, schema::clinic_backfill as backfill};

/// Answer of portal's `GET /internal/invoices/`.
#[derive(Debug, Deserialize)]
struct InvoiceStates {
    invoices: Vec<InvoiceState>,
    next: Option<Uuid>,
}

#[derive(Debug, Deserialize)]
struct InvoiceState {
    invoice_id: Uuid,
    organization_id: Uuid,
    patient_id: Uuid,
    status: String,
    total_amount: i64,
    currency: Currency,
    version: i64,
    paid_at: Option<DateTime<Utc>>,
    changed_at: DateTime<Utc>,
    reports: Vec<PublishedReport>,
}

#[derive(Debug, Deserialize)]
struct PublishedReport {
    report_id: Uuid,
    published_at: DateTime<Utc>,
}

/// Copies what portal had before its events reached us: page by page, from where an earlier run stopped, once to the end.
/// Events that arrive meanwhile win when they are newer. Answers how many invoices were read.
///
/// # Errors
/// When portal or the database does not answer; the next run goes on from the last whole page.
pub async fn fill_clinic_lists(state: &AppState) -> anyhow::Result<usize> {
    let mut read = 0;
    loop {
        let mut conn = state.stack.db.get().await?;
        let Some(after) = cursor(&mut conn).await? else {
            return Ok(read);
        };
        drop(conn);
        let query = after.map_or_else(String::new, |id| format!("?after={id}"));
        let path = format!("/internal/invoices/{query}");
        let page: InvoiceStates = state.portal.get_json(&path).await?;
        let now = state.now();
        state
            .stack
            .db
            .transaction(async |conn| {
                for invoice in &page.invoices {
                    copy(conn, invoice, now).await?;
                }
                move_cursor(conn, page.next, now).await?;
                Ok::<_, DbError>(())
            })
            .await?;
        read += page.invoices.len();
    }
}

async fn copy(
    conn: &mut AsyncPgConnection,
    invoice: &InvoiceState,
    now: DateTime<Utc>,
) -> QueryResult<()> {
    let copied = InvoiceCopy {
        invoice_id: invoice.invoice_id,
        organization_id: invoice.organization_id,
        patient_id: invoice.patient_id,
        status: &invoice.status,
        total_amount: invoice.total_amount,
        currency: invoice.currency,
        version: invoice.version,
        paid_at: invoice.paid_at.filter(|_| invoice.status == "paid"),
        // As the event that told of it would say.
        changed_at: invoice.paid_at.unwrap_or(invoice.changed_at),
    };
    copy_invoice(conn, copied, now).await?;
    for report in &invoice.reports {
        let copied = ReportCopy {
            report_id: report.report_id,
            organization_id: invoice.organization_id,
            patient_id: invoice.patient_id,
            invoice_id: Some(invoice.invoice_id),
            published_at: report.published_at,
        };
        copy_report(conn, copied).await?;
    }
    Ok(())
}

/// Where the next page begins (`Some(None)`: at the first); `None` when all was read.
async fn cursor(conn: &mut AsyncPgConnection) -> QueryResult<Option<Option<Uuid>>> {
    backfill::table
        .filter(backfill::finished_at.is_null())
        .select(backfill::after_invoice_id)
        .first(conn)
        .await
        .optional()
}

async fn move_cursor(
    conn: &mut AsyncPgConnection,
    next: Option<Uuid>,
    now: DateTime<Utc>,
) -> QueryResult<usize> {
    diesel::update(backfill::table)
        .set((
            next.map(|id| backfill::after_invoice_id.eq(id)),
            backfill::finished_at.eq(next.is_none().then_some(now)),
        ))
        .execute(conn)
        .await
}
