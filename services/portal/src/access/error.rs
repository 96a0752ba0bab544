//! What can go wrong with keys.

use service_db::DbError;
use service_http::ApiError;

/// A refusal or failure.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AccessError {
    /// `patient_id` is missing.
    #[error("no patient named")]
    PatientRequired,
    /// The patient is not in this organisation.
    #[error("no such patient")]
    PatientNotFound,
    /// The key set is not in this organisation.
    #[error("no such access")]
    NotFound,
    /// The request itself is refused.
    #[error(transparent)]
    Refused(ApiError),
    /// Anything unexpected.
    #[error(transparent)]
    Unexpected(#[from] anyhow::Error),
}

impl From<diesel::result::Error> for AccessError {
    fn from(error: diesel::result::Error) -> Self {
        Self::Unexpected(DbError::Query(error).into())
    }
}

impl From<DbError> for AccessError {
    fn from(error: DbError) -> Self {
        Self::Refused(error.into())
    }
}

impl From<AccessError> for ApiError {
    fn from(error: AccessError) -> Self {
        let literal =
            |error: Self, text: &str| error.contract(serde_json::json!({ "error": text }));
        match error {
            AccessError::PatientRequired => literal(
                Self::bad_request("access.patient_required", "patient_id est requis"),
                "patient_id est requis",
            ),
            AccessError::PatientNotFound => literal(
                Self::not_found("patient.not_found", "Patient non trouvé"),
                "Patient non trouvé",
            ),
            AccessError::NotFound => Self::no_match("access.not_found", "PatientAccess"),
            AccessError::Refused(error) => error,
            AccessError::Unexpected(cause) => Self::internal(cause),
        }
    }
}
