//! Refusals of grants.

use serde_json::json;
use service_http::{ApiError, Text};

/// Why a grant was not listed or ended.
#[derive(Debug, thiserror::Error)]
pub(crate) enum GrantError {
    #[error("no such grant of theirs")]
    Unknown,
    #[error("no grant named")]
    IdMissing,
    #[error("the caller has no phone number")]
    NoPhone,
    #[error(transparent)]
    Database(service_db::DbError),
    #[error(transparent)]
    Unexpected(anyhow::Error),
}

impl From<service_db::DbError> for GrantError {
    fn from(error: service_db::DbError) -> Self {
        Self::Database(error)
    }
}

impl From<diesel::result::Error> for GrantError {
    fn from(error: diesel::result::Error) -> Self {
        Self::Database(error.into())
    }
}

impl From<GrantError> for ApiError {
    fn from(error: GrantError) -> Self {
        match error {
            GrantError::Unknown => {
                Self::no_match("patient_access.grant_not_found", "PatientAccessGrant")
                    .contract(json!({"error": "دسترسی یافت نشد"}))
            }
            GrantError::IdMissing => Self::bad_request(
                "patient_access.grant_required",
                Text::i18n(
                    "شناسه دسترسی الزامی است",
                    "L'identifiant de l'accès est obligatoire.",
                    "The grant id is required.",
                ),
            )
            .contract(json!({"error": "شناسه دسترسی الزامی است"})),
            GrantError::NoPhone => Self::permission_denied(),
            GrantError::Database(error) => error.into(),
            GrantError::Unexpected(error) => Self::internal(error),
        }
    }
}
