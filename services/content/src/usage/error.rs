//! Refusals of usage limits.

use service_db::DbError;
use service_http::ApiError;

use crate::wire::invalid_pk;

/// Why a limit was not shown or changed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UsageError {
    /// No limit of that number in the organisation.
    #[error("no such limit")]
    NotFound,
    /// The scope names nobody and nothing of the organisation.
    #[error("no such scope")]
    UnknownScope(i64),
    /// The scope has a limit already.
    #[error("the scope has a limit")]
    ScopeTaken,
    /// A limit stays with its scope.
    #[error("the scope cannot change")]
    ScopeChanged,
    /// The database did not answer.
    #[error(transparent)]
    Database(#[from] DbError),
    /// A statement failed.
    #[error(transparent)]
    Query(diesel::result::Error),
}

impl From<diesel::result::Error> for UsageError {
    fn from(error: diesel::result::Error) -> Self {
        match service_db::violated(&error) {
            Some("usage_limits_scope") => Self::ScopeTaken,
            _ => Self::Query(error),
        }
    }
}

impl From<UsageError> for ApiError {
    fn from(error: UsageError) -> Self {
        match error {
            UsageError::NotFound => Self::no_match("usage.limit_not_found", "UsageLimit"),
            UsageError::UnknownScope(number) => invalid_pk("scope_id", number),
            UsageError::ScopeTaken => Self::invalid().field(
                "non_field_errors",
                "The fields scope, scope_id must make a unique set.",
            ),
            UsageError::ScopeChanged => {
                Self::invalid().field("scope_id", "The scope of a limit cannot be changed.")
            }
            UsageError::Database(error) => error.into(),
            UsageError::Query(error) => error.into(),
        }
    }
}
