//! Refusals of the message domain.

use actix_web::http::StatusCode;
use service_http::ApiError;

/// Why a message was not taken over.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MessageError {
    #[error("invalid {field}: {reason}")]
    Invalid { field: &'static str, reason: String },
    #[error("the key was used for another message")]
    KeyReused,
    #[error("the first request with this key is still running")]
    InFlight,
    #[error("the organisation's texts of this month are spent")]
    QuotaSpent,
    #[error(transparent)]
    Unexpected(#[from] anyhow::Error),
}

impl From<service_db::DbError> for MessageError {
    fn from(error: service_db::DbError) -> Self {
        Self::Unexpected(error.into())
    }
}

impl From<diesel::result::Error> for MessageError {
    fn from(error: diesel::result::Error) -> Self {
        Self::Unexpected(error.into())
    }
}

impl From<MessageError> for ApiError {
    fn from(error: MessageError) -> Self {
        match error {
            MessageError::Invalid { field, reason } => Self::invalid().field(field, reason),
            MessageError::KeyReused => Self::unprocessable(
                "message.key_reused",
                "The idempotency key was used for another message.",
            ),
            MessageError::InFlight => Self::conflict(
                "message.in_flight",
                "The first request with this key is still running.",
            )
            .retry_after(1),
            MessageError::QuotaSpent => Self::new(
                StatusCode::TOO_MANY_REQUESTS,
                "sms.quota_spent",
                "The organisation's texts of this month are spent.",
            ),
            MessageError::Unexpected(cause) => Self::internal(cause),
        }
    }
}
