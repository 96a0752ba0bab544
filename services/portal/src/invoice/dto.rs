//! Invoices on the wire (cimef.md 2.5).

use std::collections::HashMap;

use chrono::{DateTime, NaiveDate, Utc};
use diesel_async::AsyncPgConnection;
use serde::Serialize;
use serde_json::Value;
use service_http::ApiError;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    InvoiceError,
    settle::{self, Totals},
    store::{self, InvoiceRow, LineRow},
};
use crate::{
    clinic::{self, Clinic},
    exam::{self, ExamTypeResponse, ExamTypeRow},
    patient::{self, PatientResponse, PatientRow},
    web::{Form, hundredths_text, money_number, money_text},
};

/// One line.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct LineResponse {
    id: i64,
    exam_type: Option<i64>,
    exam_type_details: Option<ExamTypeResponse>,
    description: String,
    quantity: i64,
    unit_price: String,
    total_price: String,
}

/// An invoice.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct InvoiceResponse {
    id: i64,
    uuid: Uuid,
    invoice_number: String,
    patient: i64,
    patient_details: PatientResponse,
    pub(crate) patient_name: String,
    created_by_name: String,
    invoice_date: NaiveDate,
    due_date: NaiveDate,
    status: String,
    is_overdue: bool,
    currency: String,
    subtotal: String,
    tax_rate: String,
    tax_amount: String,
    total_amount: String,
    total_paid: Value,
    remaining_amount: Value,
    has_access_keys: bool,
    notes: String,
    items: Vec<LineResponse>,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl InvoiceResponse {
    fn new(
        row: &InvoiceRow,
        patient: &PatientRow,
        lines: &[LineRow],
        types: &HashMap<Uuid, ExamTypeRow>,
        totals: Totals,
        today: NaiveDate,
    ) -> Self {
        let currency = clinic::currency(&row.currency);
        let items = lines
            .iter()
            .filter(|line| line.invoice_id == row.id)
            .map(|line| {
                let exam_type = line.exam_type_id.and_then(|id| types.get(&id));
                LineResponse {
                    id: line.number,
                    exam_type: exam_type.map(|row| row.number),
                    exam_type_details: exam_type.map(|row| ExamTypeResponse::new(row, currency)),
                    description: line.description.clone(),
                    quantity: line.quantity,
                    unit_price: money_text(currency, line.unit_price_amount),
                    total_price: money_text(currency, line.total_amount),
                }
            })
            .collect();
        Self {
            id: row.number,
            uuid: row.id,
            invoice_number: row.invoice_number.clone(),
            patient: patient.number,
            patient_details: patient.into(),
            patient_name: patient.full_name(),
            created_by_name: row.created_by_name.clone(),
            invoice_date: row.invoice_date,
            due_date: row.due_date,
            is_overdue: row.due_date < today
                && matches!(row.status.as_str(), "sent" | "partially_paid"),
            status: row.status.clone(),
            currency: row.currency.clone(),
            subtotal: money_text(currency, row.subtotal_amount),
            tax_rate: hundredths_text(row.tax_rate_hundredths),
            tax_amount: money_text(currency, row.tax_amount),
            total_amount: money_text(currency, row.total_amount),
            total_paid: money_number(currency, totals.paid),
            remaining_amount: money_number(currency, totals.remaining(row.total_amount)),
            has_access_keys: row.access_id.is_some(),
            notes: row.notes.clone(),
            items,
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}

/// The invoices of these rows with their patients, lines and sums, in the rows' order.
///
/// # Errors
/// When the database refuses.
pub(crate) async fn respond_many(
    conn: &mut AsyncPgConnection,
    organization: Uuid,
    clinic: &Clinic,
    rows: &[InvoiceRow],
    now: DateTime<Utc>,
) -> Result<Vec<InvoiceResponse>, InvoiceError> {
    let ids: Vec<Uuid> = rows.iter().map(|row| row.id).collect();
    let patient_ids: Vec<Uuid> = rows.iter().map(|row| row.patient_id).collect();
    let lines = store::list_lines(conn, organization, &ids).await?;
    let type_ids: Vec<Uuid> = lines.iter().filter_map(|line| line.exam_type_id).collect();
    let types: HashMap<_, _> = exam::find_exam_types(conn, organization, &type_ids)
        .await?
        .into_iter()
        .map(|row| (row.id, row))
        .collect();
    let patients: HashMap<_, _> = patient::find_patients(conn, organization, &patient_ids)
        .await?
        .into_iter()
        .map(|row| (row.id, row))
        .collect();
    let totals = settle::totals(conn, organization, &ids).await?;
    let today = clinic.local(now).date();
    Ok(rows
        .iter()
        .filter_map(|row| {
            let patient = patients.get(&row.patient_id)?;
            let sum = totals.get(&row.id).copied().unwrap_or_default();
            Some(InvoiceResponse::new(
                row, patient, &lines, &types, sum, today,
            ))
        })
        .collect())
}

/// A line as a client sends it.
#[derive(Debug, Clone)]
pub(crate) struct LineFields {
    pub(crate) exam_type: Option<i64>,
    pub(crate) description: Option<String>,
    pub(crate) quantity: i64,
    pub(crate) unit_price: Option<i64>,
}

/// An invoice as a client sends it.
#[derive(Debug, Clone)]
pub(crate) struct InvoiceFields {
    pub(crate) patient: i64,
    pub(crate) invoice_date: NaiveDate,
    pub(crate) due_date: NaiveDate,
    pub(crate) status: &'static str,
    pub(crate) tax_rate_hundredths: Option<i32>,
    pub(crate) notes: String,
    pub(crate) lines: Vec<LineFields>,
}

impl InvoiceFields {
    /// # Errors
    /// 400 with French field messages.
    pub(crate) fn read(body: Value, clinic: &Clinic) -> Result<Self, ApiError> {
        let mut form = Form::new(body)?;
        let fields = Self {
            patient: form.reference("patient"),
            invoice_date: form.date("invoice_date"),
            due_date: form.date("due_date"),
            status: form.choice("status", &["draft", "sent"], Some("sent")),
            tax_rate_hundredths: form.optional_percentage("tax_rate"),
            notes: form.optional_text("notes", 4_000).unwrap_or_default(),
            lines: read_lines(&mut form, clinic),
        };
        form.finish()?;
        Ok(fields)
    }
}

/// The lines of a form; mistakes go under `items`.
pub(crate) fn read_lines(form: &mut Form, clinic: &Clinic) -> Vec<LineFields> {
    const MOST: usize = 500;
    let items = form.list("items");
    if items.len() > MOST {
        form.refuse(
            "items",
            format!("Une facture comporte au plus {MOST} lignes."),
        );
        return Vec::new();
    }
    let mut lines = Vec::with_capacity(items.len());
    for item in items {
        let Ok(mut line) = Form::new(item) else {
            form.refuse(
                "items",
                "Données non valides. Un dictionnaire était attendu.",
            );
            continue;
        };
        let read = LineFields {
            exam_type: line.optional_reference("exam_type"),
            description: line.optional_text("description", 500),
            quantity: line.optional_integer("quantity", 1, 1_000_000).unwrap_or(1),
            unit_price: line.optional_money("unit_price", clinic.currency, i64::MIN),
        };
        for (name, message) in line.take_errors() {
            form.refuse("items", format!("{name} : {message}"));
        }
        lines.push(read);
    }
    lines
}
