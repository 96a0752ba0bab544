//! What can go wrong with patients.

use service_db::DbError;
use service_http::ApiError;

/// A refusal or failure.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PatientError {
    /// Not in this organisation.
    #[error("no such patient")]
    NotFound,
    /// It has invoices that are not all cancelled.
    #[error("the patient has invoices")]
    HasInvoices,
    /// The request itself is refused.
    #[error(transparent)]
    Refused(ApiError),
    /// Anything unexpected.
    #[error(transparent)]
    Unexpected(#[from] anyhow::Error),
}

impl From<diesel::result::Error> for PatientError {
    fn from(error: diesel::result::Error) -> Self {
        Self::Unexpected(DbError::Query(error).into())
    }
}

impl From<DbError> for PatientError {
    fn from(error: DbError) -> Self {
        Self::Refused(error.into())
    }
}

impl From<PatientError> for ApiError {
    fn from(error: PatientError) -> Self {
        match error {
            PatientError::NotFound => Self::no_match("patient.not_found", "Patient"),
            PatientError::HasInvoices => Self::conflict("patient.has_invoices", "").i18n(
                "این بیمار صورت‌حساب دارد و حذف نمی‌شود.",
                "Ce patient a des factures et ne peut pas être supprimé.",
                "This patient has invoices and cannot be deleted.",
            ),
            PatientError::Refused(error) => error,
            PatientError::Unexpected(cause) => Self::internal(cause),
        }
    }
}
