//! Refusals of the receiver, with the old bodies (wire.md 3.5, 9.4).

use actix_web::http::StatusCode;
use serde_json::json;
use service_http::ApiError;

use super::model::Refusal;

/// Why a webhook was not taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WebhookError {
    #[error("no active endpoint")]
    UnknownEndpoint,
    #[error("bad signature: {}", .0.as_str())]
    BadSignature(Refusal),
    #[error("the event {0} is not configured")]
    NotConfigured(String),
    #[error("the body is not JSON: {0}")]
    NotJson(String),
    #[error("the body is no object")]
    NotAnObject,
    #[error("the body is larger than {0} bytes")]
    TooLarge(usize),
    #[error(transparent)]
    Unexpected(#[from] anyhow::Error),
}

impl From<service_db::DbError> for WebhookError {
    fn from(error: service_db::DbError) -> Self {
        Self::Unexpected(error.into())
    }
}

impl From<diesel::result::Error> for WebhookError {
    fn from(error: diesel::result::Error) -> Self {
        Self::Unexpected(error.into())
    }
}

impl WebhookError {
    /// As an answer; `legacy` endpoints answer 200 to everything but our own failures.
    pub(crate) fn answer(self, legacy: bool) -> ApiError {
        let refuse = |status, code, words: &str| {
            let status = if legacy { StatusCode::OK } else { status };
            ApiError::new(status, code, words).bare(json!({"success": false, "error": words}))
        };
        match self {
            Self::UnknownEndpoint => refuse(
                StatusCode::NOT_FOUND,
                "webhook.endpoint_not_found",
                "Webhook endpoint not found",
            ),
            Self::BadSignature(_) => refuse(
                StatusCode::UNAUTHORIZED,
                "webhook.bad_signature",
                "Invalid signature",
            ),
            Self::NotConfigured(_) => refuse(
                StatusCode::UNPROCESSABLE_ENTITY,
                "webhook.event_not_configured",
                "Processing failed",
            ),
            Self::NotAnObject => refuse(
                StatusCode::UNPROCESSABLE_ENTITY,
                "webhook.not_an_object",
                "خطا در پردازش webhook: an object is expected",
            ),
            Self::NotJson(error) => {
                let words = format!("JSON parse error - {error}");
                ApiError::bad_request("webhook.not_json", words.clone())
                    .bare(json!({"detail": words}))
            }
            Self::TooLarge(_) => refuse(
                StatusCode::PAYLOAD_TOO_LARGE,
                "webhook.too_large",
                "Request body is too large",
            ),
            Self::Unexpected(cause) => ApiError::internal(cause)
                .bare(json!({"success": false, "error": "Internal server error"})),
        }
    }
}
