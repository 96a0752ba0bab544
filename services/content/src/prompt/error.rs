//! Refusals of prompts.

use service_db::DbError;
use service_http::ApiError;

use crate::wire::invalid_pk;

/// Why a prompt was not shown or changed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PromptError {
    /// No prompt of that number in the organisation.
    #[error("no such prompt")]
    NotFound,
    /// No workspace of that number in the organisation.
    #[error("no such workspace")]
    UnknownWorkspace(i64),
    /// The database did not answer.
    #[error(transparent)]
    Database(#[from] DbError),
    /// A statement failed.
    #[error(transparent)]
    Query(#[from] diesel::result::Error),
}

impl From<PromptError> for ApiError {
    fn from(error: PromptError) -> Self {
        match error {
            PromptError::NotFound => Self::no_match("prompt.not_found", "Prompt"),
            PromptError::UnknownWorkspace(number) => invalid_pk("workspace", number),
            PromptError::Database(error) => error.into(),
            PromptError::Query(error) => error.into(),
        }
    }
}
