//! Refusals of logins.

use service_db::DbError;

use crate::code::{CodeError, Verdict};

/// Why nobody was logged in.
#[derive(Debug, thiserror::Error)]
pub enum LoginError {
    /// The code does not count; never [`Verdict::Right`].
    #[error("the code does not count")]
    Code(Verdict),
    /// The phone rests; so many seconds are left.
    #[error("too many failures; {0} s left")]
    Throttled(i64),
    /// The account is closed.
    #[error("the account is closed")]
    Inactive,
    /// Anything else.
    #[error(transparent)]
    Unexpected(#[from] anyhow::Error),
}

impl From<CodeError> for LoginError {
    fn from(error: CodeError) -> Self {
        match error {
            CodeError::Throttled(seconds) | CodeError::TooSoon(seconds) => Self::Throttled(seconds),
            CodeError::UnknownPurpose | CodeError::NotSent => Self::Unexpected(error.into()),
            CodeError::Unexpected(error) => Self::Unexpected(error),
        }
    }
}

impl From<DbError> for LoginError {
    fn from(error: DbError) -> Self {
        Self::Unexpected(error.into())
    }
}

impl From<diesel::result::Error> for LoginError {
    fn from(error: diesel::result::Error) -> Self {
        Self::Unexpected(error.into())
    }
}
