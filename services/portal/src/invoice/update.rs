//! Changing and cancelling invoices (cimef.md flags 12, 14, 19).

use serde_json::Value;
use uuid::Uuid;

use super::{
    InvoiceError, InvoiceResponse,
    create::{price_lines, sum, write_lines},
    dto::{read_lines, respond_many},
    model::{STATES, may_set_by_hand, split_tax},
    settle,
    store::{self, InvoiceChange},
};
use crate::{
    clinic::Clinic,
    state::AppState,
    web::{Act, Form, Who},
};

/// # Errors
/// [`InvoiceError`] as named there.
pub(crate) async fn update(
    state: &AppState,
    organization: Uuid,
    who: &Who,
    number: i64,
    body: Value,
) -> Result<InvoiceResponse, InvoiceError> {
    let now = state.now();
    let response = state
        .db
        .transaction(async |conn| {
            let clinic = Clinic::of(conn, organization, &state.settings.clinic).await?;
            let found = store::find_invoice_by_number(conn, organization, number)
                .await?
                .ok_or(InvoiceError::NotFound)?;
            let row = store::lock_invoice(conn, organization, found.id)
                .await?
                .ok_or(InvoiceError::NotFound)?;
            let mut form = Form::new(body.clone()).map_err(InvoiceError::Refused)?;
            let status = form
                .has("status")
                .then(|| form.choice("status", &STATES, None));
            let invoice_date = form
                .optional_date("invoice_date")
                .unwrap_or(row.invoice_date);
            let due_date = form.optional_date("due_date").unwrap_or(row.due_date);
            let rate = form
                .optional_percentage("tax_rate")
                .unwrap_or(row.tax_rate_hundredths);
            let notes = if form.has("notes") {
                form.optional_text("notes", 4_000).unwrap_or_default()
            } else {
                row.notes.clone()
            };
            let lines = form.has("items").then(|| read_lines(&mut form, &clinic));
            form.finish().map_err(InvoiceError::Refused)?;

            let status = status.unwrap_or(&row.status);
            if !may_set_by_hand(&row.status, status) {
                return Err(InvoiceError::BadTransition(status.to_owned()));
            }
            let closed = matches!(row.status.as_str(), "paid" | "cancelled");
            let paid = settle::totals(conn, organization, &[row.id])
                .await?
                .remove(&row.id)
                .unwrap_or_default()
                .paid;
            let mut total = row.total_amount;
            let mut write = None;
            if let Some(lines) = lines {
                let lines = price_lines(conn, organization, &lines).await?;
                total = sum(&lines)?;
                if closed {
                    // The dialog sends the unchanged lines of a paid invoice back.
                    if total != row.total_amount {
                        return Err(InvoiceError::Closed);
                    }
                } else {
                    write = Some(lines);
                }
            }
            if closed && rate != row.tax_rate_hundredths {
                return Err(InvoiceError::Closed);
            }
            if total < paid {
                return Err(InvoiceError::BelowPaid);
            }
            if let Some(lines) = &write {
                store::delete_lines(conn, organization, row.id).await?;
                write_lines(conn, organization, row.id, lines).await?;
            }
            let split = split_tax(total, rate);
            let change = InvoiceChange {
                invoice_date,
                due_date,
                status,
                tax_rate_hundredths: rate,
                subtotal_amount: split.subtotal,
                tax_amount: split.tax,
                total_amount: total,
                notes: &notes,
                updated_at: now,
            };
            let changed = store::update_invoice(conn, row.id, &change).await?;
            let changed = if write.is_some() && paid > 0 {
                settle::reevaluate(conn, state, changed, who, now).await?
            } else {
                settle::announce(conn, &row, &changed, now).await?;
                changed
            };
            who.record(conn, Act::on("invoice.updated", "invoice", &[row.id]), now)
                .await?;
            let mut responses = respond_many(
                conn,
                organization,
                &clinic,
                std::slice::from_ref(&changed),
                now,
            )
            .await?;
            responses.pop().ok_or(InvoiceError::NotFound)
        })
        .await?;
    state.outbox.wake();
    Ok(response)
}

/// DELETE cancels: the number is never given again, the row leaves the lists.
///
/// # Errors
/// [`InvoiceError::BearsMoney`] when anything was paid on it.
pub(crate) async fn cancel(
    state: &AppState,
    organization: Uuid,
    who: &Who,
    number: i64,
) -> Result<(), InvoiceError> {
    let now = state.now();
    state
        .db
        .transaction(async |conn| {
            let found = store::find_invoice_by_number(conn, organization, number)
                .await?
                .ok_or(InvoiceError::NotFound)?;
            let row = store::lock_invoice(conn, organization, found.id)
                .await?
                .ok_or(InvoiceError::NotFound)?;
            let paid = settle::totals(conn, organization, &[row.id])
                .await?
                .remove(&row.id)
                .unwrap_or_default()
                .paid;
            if paid > 0 {
                return Err(InvoiceError::BearsMoney);
            }
            store::hide_invoice(conn, row.id, now).await?;
            settle::announce_state(conn, &row, "cancelled", row.version + 1, now).await?;
            who.record(
                conn,
                Act::on("invoice.cancelled", "invoice", &[row.id]),
                now,
            )
            .await?;
            Ok(())
        })
        .await?;
    state.outbox.wake();
    Ok(())
}
