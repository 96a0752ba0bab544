//! What can go wrong with invoices.

use serde_json::json;
use service_db::DbError;
use service_http::ApiError;

use crate::{access::AccessError, web::words};

/// A refusal or failure.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InvoiceError {
    /// No such invoice in this organisation.
    #[error("no such invoice")]
    NotFound,
    /// The patient named is not in this organisation.
    #[error("no such patient")]
    UnknownPatient(i64),
    /// The patient of a filter is not in this organisation.
    #[error("no such patient")]
    UnknownFilterPatient,
    /// An exam type named by a line is not in this organisation.
    #[error("no such exam type")]
    UnknownExamType(i64),
    /// A line without a price above zero.
    #[error("a price must be above zero")]
    PriceNotPositive,
    /// A line with neither description nor exam type.
    #[error("a line needs a description or an exam type")]
    LineWithoutText,
    /// An invoice without lines.
    #[error("an invoice needs lines")]
    NoLines,
    /// A sum beyond what can be written.
    #[error("the sum is too large")]
    TooLarge,
    /// A paid or cancelled invoice's lines or tax stay as they are.
    #[error("the invoice is closed")]
    Closed,
    /// The new total is less than what is paid.
    #[error("the total falls below what is paid")]
    BelowPaid,
    /// The state cannot be set by hand.
    #[error("the state cannot be set by hand")]
    BadTransition(String),
    /// Money was paid on it: it is neither cancelled nor hidden.
    #[error("the invoice bears money")]
    BearsMoney,
    /// Papers are printed when the invoice is paid.
    #[error("the invoice is not paid")]
    NotPaid,
    /// The paper could not be made.
    #[error("the paper could not be made")]
    Paper(#[from] documents::DocumentError),
    /// The request itself is refused.
    #[error(transparent)]
    Refused(ApiError),
    /// Anything unexpected.
    #[error(transparent)]
    Unexpected(#[from] anyhow::Error),
}

impl From<diesel::result::Error> for InvoiceError {
    fn from(error: diesel::result::Error) -> Self {
        Self::Unexpected(DbError::Query(error).into())
    }
}

impl From<DbError> for InvoiceError {
    fn from(error: DbError) -> Self {
        Self::Refused(error.into())
    }
}

impl From<AccessError> for InvoiceError {
    fn from(error: AccessError) -> Self {
        Self::Refused(error.into())
    }
}

fn at(field: &str, code: &'static str, text: &str) -> ApiError {
    ApiError::bad_request(code, text).field(field, text)
}

impl From<InvoiceError> for ApiError {
    fn from(error: InvoiceError) -> Self {
        match error {
            InvoiceError::NotFound => Self::no_match("invoice.not_found", "Invoice"),
            InvoiceError::UnknownPatient(id) => at(
                "patient",
                "invoice.unknown_patient",
                &words::bad_reference(&id.to_string()),
            ),
            InvoiceError::UnknownFilterPatient => {
                at("patient", "request.filter", words::BAD_FILTER_REFERENCE)
            }
            InvoiceError::UnknownExamType(id) => at(
                "items",
                "invoice.unknown_exam_type",
                &format!("Type d'examen avec l'ID {id} introuvable"),
            ),
            InvoiceError::PriceNotPositive => at(
                "items",
                "invoice.price_not_positive",
                "Le prix unitaire doit être supérieur à 0",
            ),
            InvoiceError::LineWithoutText => at(
                "items",
                "invoice.line_without_text",
                "Chaque item doit avoir une description ou un type d'examen",
            ),
            InvoiceError::NoLines => at(
                "items",
                "invoice.no_lines",
                "La facture doit comporter au moins une ligne.",
            ),
            InvoiceError::TooLarge => at(
                "items",
                "invoice.too_large",
                "Le montant total est trop élevé.",
            ),
            InvoiceError::Closed => at(
                "items",
                "invoice.closed",
                "Une facture payée ou annulée ne peut plus être modifiée.",
            ),
            InvoiceError::BelowPaid => at(
                "items",
                "invoice.below_paid",
                "Le nouveau total est inférieur au montant déjà payé.",
            ),
            InvoiceError::BadTransition(state) => at(
                "status",
                "invoice.bad_transition",
                &words::not_a_choice(&state),
            ),
            InvoiceError::BearsMoney => Self::conflict(
                "invoice.bears_money",
                "Cette facture porte des paiements et ne peut être ni annulée ni supprimée.",
            ),
            InvoiceError::NotPaid => {
                let text = "Le téléchargement PDF n'est disponible que pour les factures payées.";
                Self::bad_request("invoice.not_paid", text).contract(json!({ "error": text }))
            }
            InvoiceError::Paper(cause) => {
                let text =
                    "Erreur lors de la génération du PDF. Veuillez contacter l'administrateur.";
                Self::internal(cause).contract(json!({ "error": text }))
            }
            InvoiceError::Refused(error) => error,
            InvoiceError::Unexpected(cause) => Self::internal(cause),
        }
    }
}
