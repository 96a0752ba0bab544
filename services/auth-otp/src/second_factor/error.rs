//! Refusals of the second factor.

use service_auth::SealError;
use service_db::DbError;
use service_http::{ApiError, Text};

use crate::unexpected::unexpected;

/// Why a second factor does not count.
#[derive(Debug, thiserror::Error)]
pub enum FactorError {
    /// Wrong code, a time step that was used, or a spent recovery code: one answer for all.
    #[error("the code does not count")]
    Wrong,
    /// Too many wrong codes in a row; so many seconds are left.
    #[error("too many wrong codes; {0} s left")]
    Resting(i64),
    /// The challenge is unknown, spent or too old.
    #[error("the login must begin anew")]
    NoChallenge,
    /// There is no authenticator to confirm, or none is on.
    #[error("no authenticator is bound")]
    NotEnrolled,
    /// One is on already.
    #[error("an authenticator is bound already")]
    AlreadyOn,
    /// Anything else.
    #[error(transparent)]
    Unexpected(#[from] anyhow::Error),
}

impl From<DbError> for FactorError {
    fn from(error: DbError) -> Self {
        Self::Unexpected(error.into())
    }
}

impl From<diesel::result::Error> for FactorError {
    fn from(error: diesel::result::Error) -> Self {
        Self::Unexpected(error.into())
    }
}

impl From<SealError> for FactorError {
    fn from(error: SealError) -> Self {
        Self::Unexpected(error.into())
    }
}

impl From<FactorError> for ApiError {
    fn from(error: FactorError) -> Self {
        match error {
            FactorError::Wrong => Self::bad_request(
                "auth.second_factor_wrong",
                Text::i18n(
                    "کد درست نیست یا پیش‌تر به کار رفته است.",
                    "Ce code est faux ou a déjà servi.",
                    "The code is wrong or was used before.",
                ),
            ),
            FactorError::Resting(seconds) => Self::too_many(u64::try_from(seconds).unwrap_or(1)),
            FactorError::NoChallenge => Self::unauthorized(
                "auth.challenge_ended",
                Text::i18n(
                    "زمان این ورود گذشته است؛ از نو وارد شوید.",
                    "Cette connexion a expiré ; recommencez.",
                    "This login has ended; begin again.",
                ),
            ),
            FactorError::NotEnrolled => Self::conflict(
                "auth.second_factor_missing",
                Text::i18n(
                    "برنامهٔ احراز هویتی ثبت نشده است.",
                    "Aucune application d'authentification n'est liée.",
                    "No authenticator application is bound.",
                ),
            ),
            FactorError::AlreadyOn => Self::conflict(
                "auth.second_factor_on",
                Text::i18n(
                    "ورود دو مرحله‌ای از پیش روشن است.",
                    "La double authentification est déjà activée.",
                    "Two-factor login is on already.",
                ),
            ),
            FactorError::Unexpected(error) => unexpected(error),
        }
    }
}
