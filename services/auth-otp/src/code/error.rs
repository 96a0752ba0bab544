//! Refusals of the code domain.

use service_auth::InternalError;
use service_db::DbError;

/// Why no code was sent, or none could be judged.
#[derive(Debug, thiserror::Error)]
pub enum CodeError {
    /// No profile of this name.
    #[error("there is no such purpose")]
    UnknownPurpose,
    /// The cooldown runs; so many seconds are left.
    #[error("a code was sent a moment ago; {0} s left")]
    TooSoon(i64),
    /// A budget is spent or the phone rests after too many failures; so many seconds are left.
    #[error("too many codes; {0} s left")]
    Throttled(i64),
    /// No provider took the message: the code is void and no cooldown is charged.
    #[error("the message could not be sent")]
    NotSent,
    /// Anything else.
    #[error(transparent)]
    Unexpected(#[from] anyhow::Error),
}

impl From<DbError> for CodeError {
    fn from(error: DbError) -> Self {
        Self::Unexpected(error.into())
    }
}

impl From<diesel::result::Error> for CodeError {
    fn from(error: diesel::result::Error) -> Self {
        Self::Unexpected(error.into())
    }
}

impl From<InternalError> for CodeError {
    fn from(error: InternalError) -> Self {
        Self::Unexpected(error.into())
    }
}
