//! What can go wrong with recorded payments.

use service_db::DbError;
use service_http::ApiError;

use crate::invoice::InvoiceError;

/// A refusal or failure.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PaymentError {
    /// No such payment in this organisation.
    #[error("no such payment")]
    NotFound,
    /// The invoice named is not in this organisation.
    #[error("no such invoice")]
    InvoiceNotFound,
    /// Drafts and cancelled invoices take no money.
    #[error("the invoice takes no money")]
    InvoiceClosed,
    /// More than what remains; both amounts as CIMEF prints them, and the currency.
    #[error("over-payment")]
    OverPayment {
        amount: String,
        remaining: String,
        currency: &'static str,
    },
    /// A discount above the amount.
    #[error("discount above amount")]
    DiscountAboveAmount,
    /// Online payments are refunded by the payments service, not voided here.
    #[error("an online payment is not voided by hand")]
    Online,
    /// A receipt belongs to a completed payment.
    #[error("no receipt")]
    NoReceipt,
    /// `invoice_id` is missing.
    #[error("no invoice named")]
    InvoiceRequired,
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

impl From<diesel::result::Error> for PaymentError {
    fn from(error: diesel::result::Error) -> Self {
        Self::Unexpected(DbError::Query(error).into())
    }
}

impl From<DbError> for PaymentError {
    fn from(error: DbError) -> Self {
        Self::Refused(error.into())
    }
}

impl From<InvoiceError> for PaymentError {
    fn from(error: InvoiceError) -> Self {
        Self::Refused(error.into())
    }
}

fn at(field: &str, code: &'static str, text: String) -> ApiError {
    ApiError::bad_request(code, text.clone()).field(field, text)
}

impl From<PaymentError> for ApiError {
    fn from(error: PaymentError) -> Self {
        match error {
            PaymentError::NotFound => Self::no_match("recorded_payment.not_found", "Payment"),
            PaymentError::InvoiceNotFound => at(
                "amount",
                "recorded_payment.invoice_not_found",
                "Facture introuvable.".into(),
            ),
            PaymentError::InvoiceClosed => at(
                "invoice",
                "recorded_payment.invoice_closed",
                "Une facture en brouillon ou annulée n'accepte pas de paiement.".into(),
            ),
            PaymentError::OverPayment {
                amount,
                remaining,
                currency,
            } => at(
                "amount",
                "recorded_payment.over_payment",
                format!(
                    "Le montant ({amount} {currency}) dépasse le montant restant à payer ({remaining} {currency})."
                ),
            ),
            PaymentError::DiscountAboveAmount => at(
                "discount",
                "recorded_payment.discount",
                "La remise ne peut pas dépasser le montant.".into(),
            ),
            PaymentError::Online => Self::conflict(
                "recorded_payment.online",
                "Un paiement en ligne se rembourse auprès du prestataire et ne s'annule pas ici.",
            ),
            PaymentError::NoReceipt => {
                let text = "Le reçu ne peut être généré que pour les paiements complétés";
                Self::bad_request("recorded_payment.no_receipt", text)
                    .contract(serde_json::json!({ "error": text }))
            }
            PaymentError::InvoiceRequired => {
                let text = "L'ID de la facture est requis";
                Self::bad_request("recorded_payment.invoice_required", text)
                    .contract(serde_json::json!({ "error": text }))
            }
            PaymentError::Paper(cause) => Self::internal(cause),
            PaymentError::Refused(error) => error,
            PaymentError::Unexpected(cause) => Self::internal(cause),
        }
    }
}
