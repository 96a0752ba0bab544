//! What online settlements and refunds make of invoices.

use async_trait::async_trait;
use common_types::events::{
    Envelope,
    payments::{PaymentRefunded, PaymentSettled},
};
use diesel_async::AsyncPgConnection;
use service_events::{EventHandler, HandlerError};
use uuid::Uuid;

use super::{
    service,
    store::{self, NewPayment},
};
use crate::{
    clinic::{self, Clinic},
    invoice::{self, InvoiceError},
    state::AppState,
    web::{Act, Who},
};

/// Records online payments on their invoices, once each, and takes refunds back.
#[derive(Debug, Clone)]
pub(crate) struct RecordOnline(pub(crate) AppState);

impl From<InvoiceError> for HandlerError {
    fn from(error: InvoiceError) -> Self {
        Self::Retry(error.into())
    }
}

#[async_trait]
impl EventHandler<PaymentSettled> for RecordOnline {
    async fn handle(
        &self,
        conn: &mut AsyncPgConnection,
        _: &Envelope,
        event: PaymentSettled,
    ) -> Result<(), HandlerError> {
        let Some(invoice_id) = event.invoice_id else {
            return Ok(());
        };
        let (state, organization, now) = (&self.0, event.organization_id, self.0.now());
        let bill = invoice::lock_invoice(conn, organization, invoice_id)
            .await?
            .ok_or_else(|| {
                HandlerError::Poison(format!("no invoice {invoice_id} in {organization}"))
            })?;
        if clinic::currency(&bill.currency) != event.currency {
            return Err(HandlerError::Poison(format!(
                "{} paid on an invoice in {}",
                event.currency, bill.currency
            )));
        }
        if store::find_payment_by_online_id(conn, organization, event.payment_id)
            .await?
            .is_some()
        {
            return Ok(());
        }
        let clinic = Clinic::of(conn, organization, &state.settings.clinic).await?;
        let receipt = service::next_receipt(conn, organization, &clinic, event.settled_at).await?;
        let new = NewPayment {
            id: Uuid::now_v7(),
            organization_id: organization,
            invoice_id,
            amount: event.amount,
            discount_amount: 0,
            coverage_hundredths: 0,
            coverage_name: "",
            payment_method: "online",
            payment_date: event.settled_at,
            status: "completed",
            reference_number: &event.provider_reference,
            transaction_id: &event.payment_id.to_string(),
            receipt_number: Some(&receipt),
            phone_number: "",
            operator_reference: &event.provider,
            notes: "",
            recorded_by: None,
            recorded_by_name: "",
            online_payment_id: Some(event.payment_id),
            created_at: now,
            updated_at: now,
        };
        let Some(row) = store::insert_payment(conn, &new).await? else {
            return Ok(());
        };
        let who = Who::system(organization);
        let act = Act::on("recorded_payment.created", "invoice", &[invoice_id])
            .with(serde_json::json!({"recorded_payment_id": row.id, "online_payment_id": event.payment_id}));
        who.record(conn, act, now).await?;
        service::announce(conn, &row, &bill, None, now).await?;
        invoice::reevaluate(conn, state, bill, &who, now).await?;
        Ok(())
    }
}

#[async_trait]
impl EventHandler<PaymentRefunded> for RecordOnline {
    /// Reopens the invoice; keys and reports stay (decision 20).
    async fn handle(
        &self,
        conn: &mut AsyncPgConnection,
        _: &Envelope,
        event: PaymentRefunded,
    ) -> Result<(), HandlerError> {
        let Some(invoice_id) = event.invoice_id else {
            return Ok(());
        };
        let (state, organization, now) = (&self.0, event.organization_id, self.0.now());
        let bill = invoice::lock_invoice(conn, organization, invoice_id)
            .await?
            .ok_or_else(|| {
                HandlerError::Poison(format!("no invoice {invoice_id} in {organization}"))
            })?;
        let Some(row) =
            store::find_payment_by_online_id(conn, organization, event.payment_id).await?
        else {
            return Err(HandlerError::Retry(anyhow::anyhow!(
                "the settlement of {} is not here yet",
                event.payment_id
            )));
        };
        // The total, not this refund: any order and any number of copies end the same.
        let refunded = event.total_refunded.min(row.amount);
        if store::set_refunded(conn, row.id, refunded, refunded >= row.amount, now).await? == 0 {
            return Ok(());
        }
        let who = Who::system(organization);
        let act = Act::on("recorded_payment.refunded", "invoice", &[invoice_id])
            .with(serde_json::json!({"recorded_payment_id": row.id, "refund_id": event.refund_id}));
        who.record(conn, act, now).await?;
        invoice::reevaluate(conn, state, bill, &who, now).await?;
        Ok(())
    }
}
