//! What can go wrong with exams.

use service_db::DbError;
use service_http::ApiError;

use crate::web::words;

/// A refusal or failure.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ExamError {
    /// No such exam type in this organisation.
    #[error("no such exam type")]
    TypeNotFound,
    /// The name is taken in this organisation.
    #[error("name taken")]
    NameTaken,
    /// No such examination in this organisation.
    #[error("no such examination")]
    NotFound,
    /// A field names something that is not there.
    #[error("{0} names nothing")]
    BadReference(&'static str, i64),
    /// The request itself is refused.
    #[error(transparent)]
    Refused(ApiError),
    /// Anything unexpected.
    #[error(transparent)]
    Unexpected(#[from] anyhow::Error),
}

impl From<diesel::result::Error> for ExamError {
    fn from(error: diesel::result::Error) -> Self {
        if service_db::violated(&error) == Some("exam_types_name_key") {
            return Self::NameTaken;
        }
        Self::Unexpected(DbError::Query(error).into())
    }
}

impl From<DbError> for ExamError {
    fn from(error: DbError) -> Self {
        Self::Refused(error.into())
    }
}

impl From<ExamError> for ApiError {
    fn from(error: ExamError) -> Self {
        match error {
            ExamError::TypeNotFound => Self::no_match("exam_type.not_found", "ExamType"),
            ExamError::NotFound => Self::no_match("examination.not_found", "Examination"),
            ExamError::NameTaken => {
                let text = "Un objet Type d'examen avec ce champ Nom de l'examen existe déjà.";
                Self::bad_request("exam_type.name_taken", text).field("name", text)
            }
            ExamError::BadReference(field, id) => {
                let text = words::bad_reference(&id.to_string());
                Self::bad_request("request.invalid", text.clone()).field(field, text)
            }
            ExamError::Refused(error) => error,
            ExamError::Unexpected(cause) => Self::internal(cause),
        }
    }
}
