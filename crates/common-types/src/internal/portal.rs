//! Internal API of portal: what payments must know of an invoice.

use crate::Currency;
use serde::{Deserialize, Serialize};
use std::fmt;
use uuid::Uuid;

/// Answer of `GET /internal/invoices/{id}/payable/`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PayableInvoice {
    /// The invoice.
    pub invoice_id: Uuid,
    /// Its bigint number.
    pub number: i64,
    /// `FAC-000001`.
    pub invoice_number: String,
    /// Its organisation.
    pub organization_id: Uuid,
    /// The patient.
    pub patient_id: Uuid,
    /// The patient's name, for the provider's payment page.
    pub patient_name: String,
    /// Minor units still to be paid.
    pub amount: i64,
    /// Currency of `amount`.
    pub currency: Currency,
    /// The invoice's state.
    pub status: String,
}

impl fmt::Debug for PayableInvoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PayableInvoice")
            .field("invoice_id", &self.invoice_id)
            .field("amount", &self.amount)
            .field("currency", &self.currency)
            .field("status", &self.status)
            .finish_non_exhaustive()
    }
}
