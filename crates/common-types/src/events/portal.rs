//! Events of portal. Amounts are minor units; patients are ids.

use super::event;
use crate::Currency;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A patient's permanent keys were made or handed out again. Ids only: the message itself goes over the internal API.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CredentialsIssued {
    /// The key set.
    pub access_id: Uuid,
    /// Version of the key set.
    pub aggregate_version: i64,
    /// The patient's organisation.
    pub organization_id: Uuid,
    /// The patient.
    pub patient_id: Uuid,
    /// The invoice that caused it.
    pub invoice_id: Option<Uuid>,
    /// When.
    pub issued_at: DateTime<Utc>,
}
event!(
    CredentialsIssued,
    "portal.credentials_issued",
    1,
    access_id,
    |e| Some(e.organization_id)
);

/// A report was activated: its patient may read it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportPublished {
    /// The report.
    pub report_id: Uuid,
    /// Version of the report.
    pub aggregate_version: i64,
    /// The patient's organisation.
    pub organization_id: Uuid,
    /// The patient.
    pub patient_id: Uuid,
    /// The key set that opens it.
    pub access_id: Uuid,
    /// The invoice it was matched with.
    pub invoice_id: Option<Uuid>,
    /// When.
    pub published_at: DateTime<Utc>,
}
event!(
    ReportPublished,
    "portal.report_published",
    1,
    report_id,
    |e| Some(e.organization_id)
);

/// An invoice changed its state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InvoiceStatusChanged {
    /// The invoice.
    pub invoice_id: Uuid,
    /// Version of the invoice.
    pub aggregate_version: i64,
    /// The patient's organisation.
    pub organization_id: Uuid,
    /// The patient.
    pub patient_id: Uuid,
    /// The state before.
    pub old_status: String,
    /// The state now.
    pub new_status: String,
    /// Minor units of the whole invoice.
    pub total_amount: i64,
    /// Currency of the amounts.
    pub currency: Currency,
    /// When.
    pub changed_at: DateTime<Utc>,
}
event!(
    InvoiceStatusChanged,
    "portal.invoice_status_changed",
    1,
    invoice_id,
    |e| Some(e.organization_id)
);

/// A payment was recorded on an invoice; payments books it (decisions.md 18).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PaymentRecorded {
    /// The recorded payment.
    pub recorded_payment_id: Uuid,
    /// Version of the recorded payment.
    pub aggregate_version: i64,
    /// Its organisation.
    pub organization_id: Uuid,
    /// The invoice.
    pub invoice_id: Uuid,
    /// The patient.
    pub patient_id: Uuid,
    /// Minor units.
    pub amount: i64,
    /// Currency of `amount`.
    pub currency: Currency,
    /// `cash`, `card`, `transfer`, `cheque`, `mobile_money`, `online` …
    pub method: String,
    /// The online payment that settled it; payments has booked that one already.
    pub online_payment_id: Option<Uuid>,
    /// The staff member; none for an online payment.
    pub recorded_by: Option<Uuid>,
    /// When.
    pub recorded_at: DateTime<Utc>,
}
event!(
    PaymentRecorded,
    "portal.payment_recorded",
    1,
    recorded_payment_id,
    |e| Some(e.organization_id)
);

/// A recorded payment was corrected; payments reverses the old booking and books the new one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PaymentAmended {
    /// The recorded payment.
    pub recorded_payment_id: Uuid,
    /// Version of the recorded payment.
    pub aggregate_version: i64,
    /// Its organisation.
    pub organization_id: Uuid,
    /// The invoice.
    pub invoice_id: Uuid,
    /// The patient.
    pub patient_id: Uuid,
    /// Minor units before.
    pub previous_amount: i64,
    /// Minor units now.
    pub amount: i64,
    /// Currency of the amounts.
    pub currency: Currency,
    /// The method now.
    pub method: String,
    /// Who corrected it.
    pub amended_by: Uuid,
    /// When.
    pub amended_at: DateTime<Utc>,
}
event!(
    PaymentAmended,
    "portal.payment_amended",
    1,
    recorded_payment_id,
    |e| Some(e.organization_id)
);

/// A recorded payment was voided (DELETE); payments reverses its booking.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PaymentVoided {
    /// The recorded payment.
    pub recorded_payment_id: Uuid,
    /// Version of the recorded payment.
    pub aggregate_version: i64,
    /// Its organisation.
    pub organization_id: Uuid,
    /// The invoice.
    pub invoice_id: Uuid,
    /// The patient.
    pub patient_id: Uuid,
    /// Minor units that were recorded.
    pub amount: i64,
    /// Currency of `amount`.
    pub currency: Currency,
    /// Who voided it.
    pub voided_by: Option<Uuid>,
    /// When.
    pub voided_at: DateTime<Utc>,
}
event!(
    PaymentVoided,
    "portal.payment_voided",
    1,
    recorded_payment_id,
    |e| Some(e.organization_id)
);
