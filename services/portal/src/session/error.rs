//! What can go wrong at the portal's door.

use serde_json::json;
use service_db::DbError;
use service_http::ApiError;

/// A refusal or failure.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SessionError {
    /// Unknown key or wrong password; nobody learns which.
    #[error("wrong key or password")]
    WrongKeys,
    /// Right keys, switched off by the clinic.
    #[error("access disabled")]
    Disabled,
    /// Too many failures; seconds until the next try.
    #[error("too many attempts")]
    Locked(u64),
    /// No session, or one that ended.
    #[error("no session")]
    Ended,
    /// The request itself is refused.
    #[error(transparent)]
    Refused(ApiError),
    /// Anything unexpected.
    #[error(transparent)]
    Unexpected(#[from] anyhow::Error),
}

impl From<diesel::result::Error> for SessionError {
    fn from(error: diesel::result::Error) -> Self {
        Self::Unexpected(DbError::Query(error).into())
    }
}

impl From<DbError> for SessionError {
    fn from(error: DbError) -> Self {
        Self::Refused(error.into())
    }
}

impl From<SessionError> for ApiError {
    fn from(error: SessionError) -> Self {
        match error {
            SessionError::WrongKeys => {
                let text = "Clé d'accès ou mot de passe incorrect";
                Self::new(
                    actix_web::http::StatusCode::UNAUTHORIZED,
                    "portal.wrong_keys",
                    text,
                )
                .i18n(
                    "کلید دسترسی یا گذرواژه نادرست است.",
                    text,
                    "Wrong access key or password.",
                )
                .contract(json!({ "error": text }))
            }
            SessionError::Disabled => {
                let text = "Votre accès a été désactivé. Contactez le cabinet.";
                Self::new(
                    actix_web::http::StatusCode::UNAUTHORIZED,
                    "portal.access_disabled",
                    text,
                )
                .i18n(
                    "دسترسی شما غیرفعال شده است. با درمانگاه تماس بگیرید.",
                    text,
                    "Your access was disabled. Contact the clinic.",
                )
                .contract(json!({ "error": "Accès désactivé", "message": text }))
            }
            SessionError::Locked(seconds) => {
                let text = format!("Trop de tentatives. Réessayez dans {seconds} secondes.");
                Self::too_many(seconds)
                    .i18n(
                        &format!("تلاش‌های زیاد. {seconds} ثانیهٔ دیگر دوباره تلاش کنید."),
                        &text,
                        &format!("Too many attempts. Try again in {seconds} seconds."),
                    )
                    .contract(json!({ "error": text }))
            }
            SessionError::Ended => {
                let text = "Votre session a expiré. Reconnectez-vous.";
                Self::unauthorized("portal.session_ended", text)
                    .i18n(
                        "نشست شما پایان یافته است. دوباره وارد شوید.",
                        text,
                        "Your session has ended. Sign in again.",
                    )
                    .contract(json!({ "error": text }))
            }
            SessionError::Refused(error) => error,
            SessionError::Unexpected(cause) => Self::internal(cause),
        }
    }
}
