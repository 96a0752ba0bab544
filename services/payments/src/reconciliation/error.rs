use service_db::DbError;
use service_http::{ApiError, Text};

use crate::{ledger::LedgerError, payment::PaymentError};

/// Why a look was not taken or a difference not resolved.
#[derive(Debug, thiserror::Error)]
pub enum ReconciliationError {
    /// There is no such difference in the organisation.
    #[error("no such exception")]
    NotFound,
    /// It was resolved before.
    #[error("resolved already")]
    Resolved,
    /// It differs still.
    #[error("it differs still")]
    StillThere,
    /// That action does not fit this kind of difference.
    #[error("{0} does not fit this difference")]
    NotPossible(&'static str),
    /// The provider did not answer.
    #[error("no answer: {0}")]
    Unanswered(String),
    /// The database did not answer.
    #[error(transparent)]
    Db(#[from] DbError),
    /// Anything else.
    #[error(transparent)]
    Unexpected(#[from] anyhow::Error),
}

impl From<diesel::result::Error> for ReconciliationError {
    fn from(error: diesel::result::Error) -> Self {
        Self::Db(error.into())
    }
}

impl From<LedgerError> for ReconciliationError {
    fn from(error: LedgerError) -> Self {
        match error {
            LedgerError::Database(error) => Self::Db(error.into()),
            other => Self::Unexpected(other.into()),
        }
    }
}

impl From<PaymentError> for ReconciliationError {
    fn from(error: PaymentError) -> Self {
        match error {
            PaymentError::Db(error) => Self::Db(error),
            other => Self::Unexpected(other.into()),
        }
    }
}

impl From<ReconciliationError> for ApiError {
    fn from(error: ReconciliationError) -> Self {
        match error {
            ReconciliationError::NotFound => Self::not_found(
                "reconciliation.not_found",
                Text::i18n(
                    "مغایرت یافت نشد.",
                    "Écart introuvable.",
                    "Difference not found.",
                ),
            ),
            ReconciliationError::Resolved => Self::conflict(
                "reconciliation.resolved",
                Text::i18n(
                    "این مغایرت پیش‌تر حل شده است.",
                    "Cet écart est déjà résolu.",
                    "This difference is resolved already.",
                ),
            ),
            ReconciliationError::StillThere => Self::conflict(
                "reconciliation.still_there",
                Text::i18n(
                    "مغایرت هنوز برجاست.",
                    "L’écart existe toujours.",
                    "The difference is still there.",
                ),
            ),
            ReconciliationError::NotPossible(_) => Self::unprocessable(
                "reconciliation.action",
                Text::i18n(
                    "این اقدام با این مغایرت جور نیست.",
                    "Cette action ne convient pas à cet écart.",
                    "This action does not fit this difference.",
                ),
            ),
            ReconciliationError::Unanswered(reason) => Self::unavailable(
                "payment.provider_unanswered",
                Text::i18n(
                    "درگاه پرداخت پاسخ نداد.",
                    "Le prestataire de paiement n’a pas répondu.",
                    "The payment provider did not answer.",
                ),
            )
            .retry_after(5)
            .caused_by(anyhow::anyhow!("{reason}")),
            ReconciliationError::Db(error) => crate::busy::answer(error),
            ReconciliationError::Unexpected(error) => Self::internal(error),
        }
    }
}
