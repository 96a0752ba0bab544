use async_trait::async_trait;
use common_types::{
    clock::SharedClock,
    events::{
        Envelope,
        portal::{InvoiceStatusChanged, ReportPublished},
    },
};
use diesel_async::AsyncPgConnection;
use service_events::{EventHandler, HandlerError};

use super::copies::{InvoiceCopy, ReportCopy, copy_invoice, copy_report};

/// Keeps copies of invoices and published reports; older versions are skipped.
pub(crate) struct CopyInvoice(pub(crate) SharedClock);

#[async_trait]
impl EventHandler<InvoiceStatusChanged> for CopyInvoice {
    async fn handle(
        &self,
        conn: &mut AsyncPgConnection,
        _envelope: &Envelope,
        event: InvoiceStatusChanged,
    ) -> Result<(), HandlerError> {
        let copy = InvoiceCopy {
            invoice_id: event.invoice_id,
            organization_id: event.organization_id,
            patient_id: event.patient_id,
            status: &event.new_status,
            total_amount: event.total_amount,
            currency: event.currency,
            version: event.aggregate_version,
            paid_at: (event.new_status == "paid").then_some(event.changed_at),
            changed_at: event.changed_at,
        };
        Ok(copy_invoice(conn, copy, self.0.now()).await?)
    }
}

#[async_trait]
impl EventHandler<ReportPublished> for CopyInvoice {
    async fn handle(
        &self,
        conn: &mut AsyncPgConnection,
        _envelope: &Envelope,
        event: ReportPublished,
    ) -> Result<(), HandlerError> {
        let copy = ReportCopy {
            report_id: event.report_id,
            organization_id: event.organization_id,
            patient_id: event.patient_id,
            invoice_id: event.invoice_id,
            published_at: event.published_at,
        };
        copy_report(conn, copy).await?;
        Ok(())
    }
}
