//! Refusals of reading, in the words of the replaced system (wire.md 2.3).

use actix_web::http::StatusCode;
use serde_json::json;
use service_http::{ApiError, Text};

use crate::soapify::SourceError;

/// Why nothing is shown.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PatientDataError {
    #[error("no access token sent")]
    TokenMissing,
    #[error("no live grant of this doctor for the token")]
    TokenInvalid,
    #[error(transparent)]
    Source(#[from] SourceError),
    #[error(transparent)]
    Database(service_db::DbError),
    #[error(transparent)]
    Unexpected(anyhow::Error),
}

impl From<service_db::DbError> for PatientDataError {
    fn from(error: service_db::DbError) -> Self {
        Self::Database(error)
    }
}

impl From<diesel::result::Error> for PatientDataError {
    fn from(error: diesel::result::Error) -> Self {
        Self::Database(error.into())
    }
}

impl From<PatientDataError> for ApiError {
    fn from(error: PatientDataError) -> Self {
        match error {
            PatientDataError::TokenMissing => refusal(
                StatusCode::UNAUTHORIZED,
                "patient_access.token_required",
                Text::i18n(
                    "توکن دسترسی الزامی است",
                    "Le jeton d'accès est obligatoire.",
                    "The access token is required.",
                ),
                "توکن دسترسی الزامی است".to_owned(),
            ),
            PatientDataError::TokenInvalid => refusal(
                StatusCode::UNAUTHORIZED,
                "patient_access.token_invalid",
                Text::i18n(
                    "توکن دسترسی نامعتبر یا منقضی شده است",
                    "Le jeton d'accès est invalide ou expiré.",
                    "The access token is invalid or has expired.",
                ),
                "توکن دسترسی نامعتبر یا منقضی شده است".to_owned(),
            ),
            PatientDataError::Source(SourceError::Status(status)) => {
                let text = format!("خطا در دریافت اطلاعات کاربر: {status}");
                refusal(
                    StatusCode::NOT_FOUND,
                    "patient_access.source_refused",
                    Text::i18n(
                        text.clone(),
                        format!("Les données du patient n'ont pas pu être obtenues : {status}"),
                        format!("The patient's data could not be fetched: {status}"),
                    ),
                    text,
                )
            }
            PatientDataError::Source(error @ SourceError::Unavailable(_)) => refusal(
                StatusCode::BAD_GATEWAY,
                "patient_access.source_unavailable",
                Text::i18n(
                    "خطای سیستمی در دریافت اطلاعات",
                    "Les données du patient sont momentanément indisponibles.",
                    "The patient's data cannot be fetched at the moment.",
                ),
                "خطای سیستمی در دریافت اطلاعات".to_owned(),
            )
            .retry_after(5)
            .caused_by(anyhow::Error::new(error)),
            PatientDataError::Database(error) => error.into(),
            PatientDataError::Unexpected(error) => Self::internal(error),
        }
    }
}

fn refusal(status: StatusCode, code: &'static str, detail: Text, error: String) -> ApiError {
    ApiError::new(status, code, detail).contract(json!({ "error": error }))
}
