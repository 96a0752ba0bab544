//! Making an invoice.

use std::collections::HashMap;

use chrono::Datelike;
use diesel_async::AsyncPgConnection;
use uuid::Uuid;

use super::{
    InvoiceError, InvoiceResponse,
    dto::{InvoiceFields, LineFields, respond_many},
    model::split_tax,
    store::{self, NewInvoice, NewLine},
};
use crate::{
    clinic::Clinic,
    exam::{self, ExamTypeRow},
    patient,
    state::AppState,
    web::{Act, Once, Who},
};

/// A line whose exam type is known and whose price is settled.
#[derive(Debug)]
pub(crate) struct PricedLine {
    pub(crate) exam_type_id: Option<Uuid>,
    pub(crate) description: String,
    pub(crate) quantity: i64,
    pub(crate) unit_price: i64,
    pub(crate) total: i64,
}

/// Completes lines from the catalogue: text and price of the exam type where the line names none.
///
/// # Errors
/// [`InvoiceError::NoLines`], [`InvoiceError::UnknownExamType`], [`InvoiceError::LineWithoutText`],
/// [`InvoiceError::PriceNotPositive`].
pub(crate) async fn price_lines(
    conn: &mut AsyncPgConnection,
    organization: Uuid,
    lines: &[LineFields],
) -> Result<Vec<PricedLine>, InvoiceError> {
    if lines.is_empty() {
        return Err(InvoiceError::NoLines);
    }
    let numbers: Vec<i64> = lines.iter().filter_map(|line| line.exam_type).collect();
    let types: HashMap<i64, ExamTypeRow> =
        exam::find_exam_types_by_number(conn, organization, &numbers)
            .await?
            .into_iter()
            .map(|row| (row.number, row))
            .collect();
    lines
        .iter()
        .map(|line| {
            let exam_type = match line.exam_type {
                Some(number) => Some(
                    types
                        .get(&number)
                        .ok_or(InvoiceError::UnknownExamType(number))?,
                ),
                None => None,
            };
            let description = line
                .description
                .clone()
                .or_else(|| exam_type.map(|row| row.name.clone()))
                .ok_or(InvoiceError::LineWithoutText)?;
            let unit_price = line
                .unit_price
                .or_else(|| exam_type.map(|row| row.price_amount))
                .filter(|price| *price > 0)
                .ok_or(InvoiceError::PriceNotPositive)?;
            let total = line
                .quantity
                .checked_mul(unit_price)
                .ok_or(InvoiceError::TooLarge)?;
            Ok(PricedLine {
                exam_type_id: exam_type.map(|row| row.id),
                description,
                quantity: line.quantity,
                unit_price,
                total,
            })
        })
        .collect()
}

/// Sum of the lines.
///
/// # Errors
/// [`InvoiceError::TooLarge`].
pub(crate) fn sum(lines: &[PricedLine]) -> Result<i64, InvoiceError> {
    lines
        .iter()
        .try_fold(0_i64, |sum, line| sum.checked_add(line.total))
        .filter(|sum| *sum <= 1_000_000_000_000)
        .ok_or(InvoiceError::TooLarge)
}

/// Writes the lines in their order.
///
/// # Errors
/// When the database refuses.
pub(crate) async fn write_lines(
    conn: &mut AsyncPgConnection,
    organization: Uuid,
    invoice: Uuid,
    lines: &[PricedLine],
) -> Result<(), InvoiceError> {
    let rows: Vec<NewLine<'_>> = lines
        .iter()
        .zip(1_i32..)
        .map(|(line, position)| NewLine {
            id: Uuid::now_v7(),
            organization_id: organization,
            invoice_id: invoice,
            position,
            exam_type_id: line.exam_type_id,
            description: &line.description,
            quantity: line.quantity,
            unit_price_amount: line.unit_price,
            total_amount: line.total,
        })
        .collect();
    store::insert_lines(conn, &rows).await?;
    Ok(())
}

/// # Errors
/// [`InvoiceError`] as named there.
pub(crate) async fn create(
    state: &AppState,
    organization: Uuid,
    who: &Who,
    once: &Once,
    body: serde_json::Value,
) -> Result<service_http::idempotency::Stored, InvoiceError> {
    let now = state.now();
    state
        .db
        .transaction(async |conn| {
            if let Some(earlier) = once.begin(conn).await.map_err(InvoiceError::Refused)? {
                return Ok(earlier);
            }
            let clinic = Clinic::of(conn, organization, &state.settings.clinic).await?;
            let fields =
                InvoiceFields::read(body.clone(), &clinic).map_err(InvoiceError::Refused)?;
            let patient = patient::find_patient_by_number(conn, organization, fields.patient)
                .await?
                .ok_or(InvoiceError::UnknownPatient(fields.patient))?;
            let lines = price_lines(conn, organization, &fields.lines).await?;
            let total = sum(&lines)?;
            let rate = fields
                .tax_rate_hundredths
                .unwrap_or(state.settings.invoices.default_tax_hundredths);
            let split = split_tax(total, rate);
            // Last, because the counter stays locked until the commit.
            let settings = &state.settings.invoices;
            let series = if settings.yearly_series {
                format!("{}-{}", settings.number_prefix, clinic.local(now).year())
            } else {
                settings.number_prefix.clone()
            };
            let number = store::next_in_series(conn, organization, &series).await?;
            let row = store::insert_invoice(
                conn,
                &NewInvoice {
                    id: Uuid::now_v7(),
                    organization_id: organization,
                    invoice_number: &format!("{series}-{number:06}"),
                    patient_id: patient.id,
                    created_by: who.user(),
                    created_by_name: who.name(),
                    invoice_date: fields.invoice_date,
                    due_date: fields.due_date,
                    status: fields.status,
                    currency: clinic.currency.code(),
                    tax_rate_hundredths: rate,
                    subtotal_amount: split.subtotal,
                    tax_amount: split.tax,
                    total_amount: total,
                    notes: &fields.notes,
                    created_at: now,
                    updated_at: now,
                },
            )
            .await?;
            write_lines(conn, organization, row.id, &lines).await?;
            let act = Act::on("invoice.created", "invoice", &[row.id])
                .with(serde_json::json!({ "patient_id": patient.id }));
            who.record(conn, act, now).await?;
            let response: Vec<InvoiceResponse> =
                respond_many(conn, organization, &clinic, std::slice::from_ref(&row), now).await?;
            once.finish(conn, &response.first())
                .await
                .map_err(InvoiceError::Refused)
        })
        .await
}
