//! Refusals of the code domain.

use service_auth::InternalError;
use service_db::DbError;
use service_http::ApiError;

/// Why no code was sent, or none could be judged.
#[derive(Debug, thiserror::Error)]
pub enum CodeError {
    /// No profile of this name.
    #[error("there is no such purpose")]
    UnknownPurpose,
    /// The cooldown runs; so many seconds are left.
    #[error("a code was sent a moment ago; {0} s left")]
    TooSoon(i64),
    /// A budget is spent; so many seconds are left.
    #[error("too many codes; {0} s left")]
    Throttled(i64),
    /// The number had too many wrong codes in a row and must be proven anew (`/api/auth/otp/reproof/`).
    #[error("the number must be proven anew")]
    NeedsProof,
    /// Codes are not sent to numbers of this kind.
    #[error("codes are not sent to this country or network")]
    NotAllowed,
    /// An operator or a setting stopped codes; try again after so many seconds.
    #[error("codes are stopped; {0} s left")]
    Stopped(i64),
    /// There is no living code that could be spoken.
    #[error("there is no code to speak")]
    NoCode,
    /// No provider took the message: the code is void and no cooldown is charged.
    #[error("the message could not be sent")]
    NotSent,
    /// Anything else.
    #[error(transparent)]
    Unexpected(#[from] anyhow::Error),
}

impl CodeError {
    /// Seconds after which asking again may succeed.
    #[must_use]
    pub fn retry_after(&self) -> Option<i64> {
        match self {
            Self::TooSoon(seconds) | Self::Throttled(seconds) | Self::Stopped(seconds) => {
                Some(*seconds)
            }
            Self::UnknownPurpose
            | Self::NeedsProof
            | Self::NotAllowed
            | Self::NoCode
            | Self::NotSent
            | Self::Unexpected(_) => None,
        }
    }
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

/// The shield's snapshot speaks of a missing database in HTTP's words.
impl From<ApiError> for CodeError {
    fn from(error: ApiError) -> Self {
        let cause = error
            .cause()
            .map_or_else(|| error.code().to_owned(), |cause| format!("{cause:#}"));
        Self::Unexpected(anyhow::anyhow!("{cause}"))
    }
}
