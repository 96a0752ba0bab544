//! Recording and voiding payments.

use chrono::{DateTime, Utc};
use common_types::events::portal::{PaymentRecorded, PaymentVoided};
use diesel_async::AsyncPgConnection;
use service_events::outbox;
use service_http::idempotency::Stored;
use uuid::Uuid;

use super::{
    dto::{PaymentFields, respond_many},
    error::PaymentError,
    store::{self, NewPayment, PaymentRow},
};
use crate::{
    clinic::{self, Clinic},
    invoice::{self, InvoiceRow},
    state::{AppState, SERVICE},
    web::{Act, Once, Who, money_text},
};

/// The receipt number of a completed payment: per day of the clinic, without gaps.
///
/// # Errors
/// When the database refuses.
pub(crate) async fn next_receipt(
    conn: &mut AsyncPgConnection,
    organization: Uuid,
    clinic: &Clinic,
    now: DateTime<Utc>,
) -> diesel::QueryResult<String> {
    let series = format!("REC-{}", clinic.local(now).format("%Y%m%d"));
    let number = invoice::next_in_series(conn, organization, &series).await?;
    Ok(format!("{series}-{number:06}"))
}

/// Tells the ledger of a payment that is new here.
///
/// # Errors
/// When the database refuses.
pub(crate) async fn announce(
    conn: &mut AsyncPgConnection,
    row: &PaymentRow,
    invoice: &InvoiceRow,
    recorded_by: Option<Uuid>,
    now: DateTime<Utc>,
) -> diesel::QueryResult<()> {
    let event = PaymentRecorded {
        recorded_payment_id: row.id,
        aggregate_version: row.version,
        organization_id: row.organization_id,
        invoice_id: invoice.id,
        patient_id: invoice.patient_id,
        amount: row.amount,
        currency: clinic::currency(&invoice.currency),
        method: row.payment_method.clone(),
        online_payment_id: row.online_payment_id,
        recorded_by,
        recorded_at: now,
    };
    outbox::emit(conn, SERVICE, &event, now).await.map(drop)
}

/// Records a payment by hand (R10, R30).
///
/// # Errors
/// [`PaymentError`] as named there.
pub(crate) async fn record(
    state: &AppState,
    organization: Uuid,
    who: &Who,
    once: &Once,
    body: serde_json::Value,
) -> Result<Stored, PaymentError> {
    let now = state.now();
    let stored = state
        .db
        .transaction(async |conn| {
            if let Some(earlier) = once.begin(conn).await.map_err(PaymentError::Refused)? {
                return Ok(earlier);
            }
            let clinic = Clinic::of(conn, organization, &state.settings.clinic).await?;
            let fields =
                PaymentFields::read(body.clone(), &clinic).map_err(PaymentError::Refused)?;
            let found = invoice::find_invoice_by_number(conn, organization, fields.invoice)
                .await?
                .ok_or(PaymentError::InvoiceNotFound)?;
            let bill = invoice::lock_invoice(conn, organization, found.id)
                .await?
                .ok_or(PaymentError::InvoiceNotFound)?;
            if matches!(bill.status.as_str(), "draft" | "cancelled") {
                return Err(PaymentError::InvoiceClosed);
            }
            if fields.discount > fields.amount {
                return Err(PaymentError::DiscountAboveAmount);
            }
            let completed = fields.status == "completed";
            let sums = invoice::totals(conn, organization, &[bill.id])
                .await?
                .remove(&bill.id)
                .unwrap_or_default();
            let remaining = sums.remaining(bill.total_amount);
            if completed && fields.amount > remaining {
                let currency = clinic::currency(&bill.currency);
                return Err(PaymentError::OverPayment {
                    amount: money_text(currency, fields.amount),
                    remaining: money_text(currency, remaining),
                    currency: clinic::currency_label(currency),
                });
            }
            let receipt = if completed {
                Some(next_receipt(conn, organization, &clinic, now).await?)
            } else {
                None
            };
            let new = NewPayment {
                id: Uuid::now_v7(),
                organization_id: organization,
                invoice_id: bill.id,
                amount: fields.amount,
                discount_amount: fields.discount,
                coverage_hundredths: fields.coverage_hundredths,
                coverage_name: &fields.coverage_name,
                payment_method: fields.method,
                payment_date: fields.payment_date,
                status: fields.status,
                reference_number: &fields.reference_number,
                transaction_id: &fields.transaction_id,
                receipt_number: receipt.as_deref(),
                phone_number: &fields.phone_number,
                operator_reference: &fields.operator_reference,
                notes: &fields.notes,
                recorded_by: who.user(),
                recorded_by_name: who.name(),
                online_payment_id: None,
                created_at: now,
                updated_at: now,
            };
            let row = store::insert_payment(conn, &new)
                .await?
                .ok_or_else(|| anyhow::anyhow!("a payment without online id met a conflict"))?;
            let act = Act::on("recorded_payment.created", "invoice", &[bill.id])
                .with(serde_json::json!({ "recorded_payment_id": row.id }));
            who.record(conn, act, now).await?;
            if completed {
                announce(conn, &row, &bill, who.user(), now).await?;
                invoice::reevaluate(conn, state, bill, who, now).await?;
            }
            let response =
                respond_many(conn, organization, &clinic, std::slice::from_ref(&row), now).await?;
            once.finish(conn, &response.first())
                .await
                .map_err(PaymentError::Refused)
        })
        .await?;
    state.outbox.wake();
    Ok(stored)
}

/// DELETE is a void: the row stays, the ledger reverses it, the invoice's state follows.
///
/// # Errors
/// [`PaymentError::NotFound`], [`PaymentError::Online`].
pub(crate) async fn void(
    state: &AppState,
    organization: Uuid,
    who: &Who,
    number: i64,
) -> Result<(), PaymentError> {
    let now = state.now();
    state
        .db
        .transaction(async |conn| {
            let found = store::find_payment_by_number(conn, organization, number)
                .await?
                .ok_or(PaymentError::NotFound)?;
            if found.online_payment_id.is_some() {
                return Err(PaymentError::Online);
            }
            let bill = invoice::lock_invoice(conn, organization, found.invoice_id)
                .await?
                .ok_or(PaymentError::NotFound)?;
            // Again under the invoice's lock: two voids at once reverse once.
            store::find_payment_by_number(conn, organization, number)
                .await?
                .ok_or(PaymentError::NotFound)?;
            let row = store::void_payment(conn, found.id, now).await?;
            if row.status == "completed" {
                let event = PaymentVoided {
                    recorded_payment_id: row.id,
                    aggregate_version: row.version,
                    organization_id: organization,
                    invoice_id: bill.id,
                    patient_id: bill.patient_id,
                    amount: row.amount,
                    currency: clinic::currency(&bill.currency),
                    voided_by: who.user(),
                    voided_at: now,
                };
                outbox::emit(conn, SERVICE, &event, now).await?;
            }
            let act = Act::on("recorded_payment.voided", "invoice", &[bill.id])
                .with(serde_json::json!({ "recorded_payment_id": row.id }));
            who.record(conn, act, now).await?;
            invoice::reevaluate(conn, state, bill, who, now).await?;
            Ok(())
        })
        .await?;
    state.outbox.wake();
    Ok(())
}
