//! Exam types and examinations on the wire (cimef.md 2.4).

use chrono::{DateTime, NaiveDate, Utc};
use common_types::Currency;
use serde::Serialize;
use serde_json::Value;
use service_http::ApiError;
use utoipa::ToSchema;

use super::store::{ExamTypeRow, ExaminationRow};
use crate::{
    patient::PatientRow,
    web::{Form, money_text},
};

/// An exam type with its price.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct ExamTypeResponse {
    id: i64,
    name: String,
    description: String,
    price: String,
    duration_minutes: i32,
    is_active: bool,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl ExamTypeResponse {
    pub(crate) fn new(row: &ExamTypeRow, currency: Currency) -> Self {
        Self {
            id: row.number,
            name: row.name.clone(),
            description: row.description.clone(),
            price: money_text(currency, row.price_amount),
            duration_minutes: row.duration_minutes,
            is_active: row.is_active,
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}

/// What a client may say about an exam type.
#[derive(Debug)]
pub(crate) struct ExamTypeFields {
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) price_amount: i64,
    pub(crate) duration_minutes: i32,
    pub(crate) is_active: bool,
}

impl ExamTypeFields {
    /// # Errors
    /// 400 with French field messages.
    pub(crate) fn read(body: Value, currency: Currency) -> Result<Self, ApiError> {
        let mut form = Form::new(body)?;
        let fields = Self {
            name: form.text("name", 200),
            description: form.optional_text("description", 2_000).unwrap_or_default(),
            price_amount: form.money("price", currency, 0),
            duration_minutes: form
                .optional_integer("duration_minutes", 0, 1_440)
                .and_then(|minutes| i32::try_from(minutes).ok())
                .unwrap_or(30),
            is_active: form.boolean("is_active", true),
        };
        form.finish()?;
        Ok(fields)
    }
}

/// An exam registered for a patient.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ExaminationResponse {
    id: i64,
    patient: i64,
    patient_name: String,
    exam_type: Option<i64>,
    exam_name: String,
    invoice: Option<i64>,
    performed_on: NaiveDate,
    status: String,
    notes: String,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl ExaminationResponse {
    pub(crate) fn new(
        row: &ExaminationRow,
        patient: &PatientRow,
        exam_type: Option<i64>,
        invoice: Option<i64>,
    ) -> Self {
        Self {
            id: row.number,
            patient: patient.number,
            patient_name: patient.full_name(),
            exam_type,
            exam_name: row.exam_name.clone(),
            invoice,
            performed_on: row.performed_on,
            status: row.status.clone(),
            notes: row.notes.clone(),
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}

/// What a client may say about an exam to be registered.
#[derive(Debug)]
pub(crate) struct ExaminationFields {
    pub(crate) patient: i64,
    pub(crate) exam_type: Option<i64>,
    pub(crate) exam_name: Option<String>,
    pub(crate) performed_on: Option<NaiveDate>,
    pub(crate) status: &'static str,
    pub(crate) notes: String,
}

pub(crate) const EXAMINATION_STATES: [&str; 3] = ["registered", "performed", "cancelled"];

impl ExaminationFields {
    /// # Errors
    /// 400 with French field messages.
    pub(crate) fn read(body: Value) -> Result<Self, ApiError> {
        let mut form = Form::new(body)?;
        let fields = Self {
            patient: form.reference("patient"),
            exam_type: form.optional_reference("exam_type"),
            exam_name: form.optional_text("exam_name", 200),
            performed_on: form.optional_date("performed_on"),
            status: form.choice("status", &EXAMINATION_STATES, Some("registered")),
            notes: form.optional_text("notes", 2_000).unwrap_or_default(),
        };
        if fields.exam_type.is_none() && fields.exam_name.is_none() {
            form.refuse("exam_type", crate::web::words::REQUIRED);
        }
        form.finish()?;
        Ok(fields)
    }
}
