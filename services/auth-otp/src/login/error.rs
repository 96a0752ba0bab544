//! Refusals of logins.

use service_db::DbError;

use super::Challenge;
use crate::code::{CodeError, Verdict};

/// Why nobody was logged in.
#[derive(Debug, thiserror::Error)]
pub enum LoginError {
    /// The code does not count; never [`Verdict::Right`].
    #[error("the code does not count")]
    Code(Verdict),
    /// Too many tries; so many seconds are left.
    #[error("too many failures; {0} s left")]
    Throttled(i64),
    /// The code was right; the second factor is awaited.
    #[error("the second factor is awaited")]
    SecondFactor(Challenge),
    /// The number must be proven anew.
    #[error("the number must be proven anew")]
    NeedsProof,
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
            CodeError::Throttled(seconds)
            | CodeError::TooSoon(seconds)
            | CodeError::Stopped(seconds) => Self::Throttled(seconds),
            CodeError::NeedsProof => Self::NeedsProof,
            CodeError::UnknownPurpose
            | CodeError::NotSent
            | CodeError::NotAllowed
            | CodeError::NoCode => Self::Unexpected(error.into()),
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
