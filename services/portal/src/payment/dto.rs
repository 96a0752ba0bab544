//! Recorded payments on the wire (cimef.md 2.6).

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use diesel_async::AsyncPgConnection;
use serde::Serialize;
use serde_json::Value;
use service_http::ApiError;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{error::PaymentError, store::PaymentRow};
use crate::{
    clinic::{self, Clinic},
    invoice::{self, InvoiceResponse, InvoiceRow, Totals},
    web::{Form, hundredths_text, money_number, money_text},
};

/// Methods with their French labels; `online` is portal's own.
pub(crate) const METHODS: [(&str, &str); 9] = [
    ("cash", "Espèces"),
    ("check", "Chèque"),
    ("bank_transfer", "Virement bancaire"),
    ("mobile_money", "Mobile Money"),
    ("orange_money", "Orange Money"),
    ("wave", "Wave"),
    ("free_money", "Free Money"),
    ("credit_card", "Carte de crédit"),
    ("online", "Paiement en ligne"),
];

const STATES: [(&str, &str); 5] = [
    ("pending", "En attente"),
    ("completed", "Complété"),
    ("failed", "Échoué"),
    ("cancelled", "Annulé"),
    ("refunded", "Remboursé"),
];

fn label(labels: &[(&'static str, &'static str)], value: &str) -> &'static str {
    labels
        .iter()
        .find(|(name, _)| *name == value)
        .map_or("", |(_, label)| label)
}

/// The French name of a method.
pub(crate) fn method_label(method: &str) -> &'static str {
    label(&METHODS, method)
}

/// A recorded payment.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PaymentResponse {
    id: i64,
    invoice: Option<i64>,
    invoice_details: Option<InvoiceResponse>,
    patient_name: String,
    amount: String,
    discount: String,
    coverage_percentage: String,
    coverage_name: String,
    refunded_amount: String,
    payment_method: String,
    payment_method_display: &'static str,
    payment_date: DateTime<Utc>,
    status: String,
    status_display: &'static str,
    reference_number: String,
    transaction_id: String,
    receipt_number: Option<String>,
    phone_number: String,
    operator_reference: String,
    notes: String,
    recorded_by_name: String,
    online_payment_id: Option<Uuid>,
    remaining_amount: Value,
    is_partial_payment: bool,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl PaymentResponse {
    fn new(
        row: &PaymentRow,
        invoice: &InvoiceRow,
        details: Option<InvoiceResponse>,
        totals: Totals,
    ) -> Self {
        let currency = clinic::currency(&invoice.currency);
        let money = |minor| money_text(currency, minor);
        let remaining = totals.remaining(invoice.total_amount);
        Self {
            id: row.number,
            invoice: Some(invoice.number),
            patient_name: details
                .as_ref()
                .map(|details| details.patient_name.clone())
                .unwrap_or_default(),
            invoice_details: details,
            amount: money(row.amount),
            discount: money(row.discount_amount),
            coverage_percentage: hundredths_text(row.coverage_hundredths),
            coverage_name: row.coverage_name.clone(),
            refunded_amount: money(row.refunded_amount),
            payment_method: row.payment_method.clone(),
            payment_method_display: method_label(&row.payment_method),
            payment_date: row.payment_date,
            status: row.status.clone(),
            status_display: label(&STATES, &row.status),
            reference_number: row.reference_number.clone(),
            transaction_id: row.transaction_id.clone(),
            receipt_number: row.receipt_number.clone(),
            phone_number: row.phone_number.clone(),
            operator_reference: row.operator_reference.clone(),
            notes: row.notes.clone(),
            recorded_by_name: row.recorded_by_name.clone(),
            online_payment_id: row.online_payment_id,
            remaining_amount: money_number(currency, remaining),
            is_partial_payment: remaining > 0,
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}

/// The payments of these rows with their invoices, in the rows' order.
///
/// # Errors
/// When the database refuses.
pub(crate) async fn respond_many(
    conn: &mut AsyncPgConnection,
    organization: Uuid,
    clinic: &Clinic,
    rows: &[PaymentRow],
    now: DateTime<Utc>,
) -> Result<Vec<PaymentResponse>, PaymentError> {
    let mut ids: Vec<Uuid> = rows.iter().map(|row| row.invoice_id).collect();
    ids.sort_unstable();
    ids.dedup();
    let invoices = invoice::find_invoices(conn, organization, &ids).await?;
    let totals = invoice::totals(conn, organization, &ids).await?;
    let details = invoice::respond_many(conn, organization, clinic, &invoices, now).await?;
    let known: HashMap<Uuid, (&InvoiceRow, &InvoiceResponse)> = invoices
        .iter()
        .zip(&details)
        .map(|(row, details)| (row.id, (row, details)))
        .collect();
    Ok(rows
        .iter()
        .filter_map(|row| {
            let (invoice, details) = known.get(&row.invoice_id)?;
            let sums = totals.get(&row.invoice_id).copied().unwrap_or_default();
            Some(PaymentResponse::new(
                row,
                invoice,
                Some((*details).clone()),
                sums,
            ))
        })
        .collect())
}

/// A payment as a client sends it.
#[derive(Debug, Clone)]
pub(crate) struct PaymentFields {
    pub(crate) invoice: i64,
    pub(crate) amount: i64,
    pub(crate) discount: i64,
    pub(crate) coverage_hundredths: i32,
    pub(crate) coverage_name: String,
    pub(crate) method: &'static str,
    pub(crate) payment_date: DateTime<Utc>,
    pub(crate) status: &'static str,
    pub(crate) reference_number: String,
    pub(crate) transaction_id: String,
    pub(crate) phone_number: String,
    pub(crate) operator_reference: String,
    pub(crate) notes: String,
}

impl PaymentFields {
    /// # Errors
    /// 400 with French field messages.
    pub(crate) fn read(body: Value, clinic: &Clinic) -> Result<Self, ApiError> {
        let mut form = Form::new(body)?;
        // Online payments are recorded by the payments service's word alone.
        let methods: Vec<&'static str> = METHODS
            .iter()
            .map(|(name, _)| *name)
            .filter(|name| *name != "online")
            .collect();
        let text = |form: &mut Form, name: &str, max: usize| {
            form.optional_text(name, max).unwrap_or_default()
        };
        let fields = Self {
            invoice: form.reference("invoice"),
            amount: form.money("amount", clinic.currency, 1),
            discount: form
                .optional_money("discount", clinic.currency, 0)
                .unwrap_or(0),
            coverage_hundredths: form.optional_percentage("coverage_percentage").unwrap_or(0),
            coverage_name: text(&mut form, "coverage_name", 255),
            method: form.choice("payment_method", &methods, None),
            payment_date: form.datetime("payment_date"),
            status: form.choice(
                "status",
                &["pending", "completed", "failed", "cancelled"],
                Some("completed"),
            ),
            reference_number: text(&mut form, "reference_number", 100),
            transaction_id: text(&mut form, "transaction_id", 100),
            phone_number: text(&mut form, "phone_number", 20),
            operator_reference: text(&mut form, "operator_reference", 100),
            notes: text(&mut form, "notes", 4_000),
        };
        form.finish()?;
        Ok(fields)
    }
}
