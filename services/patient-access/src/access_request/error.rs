//! Refusals of requests, in the words of the replaced system (wire.md 2.1, 2.2).

use actix_web::http::StatusCode;
use serde_json::json;
use service_http::{ApiError, Text};

use super::model::Status;

/// Why a request was not made or not verified.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AccessRequestError {
    #[error("no phone number")]
    PhoneMissing,
    #[error("not a phone number")]
    PhoneInvalid,
    #[error("too many requests for this patient or by this doctor")]
    Budget { retry_after: u64 },
    #[error("the cooldown between two codes is running")]
    Cooldown { retry_after: u64 },
    #[error("no code could be sent")]
    NotSent(#[source] anyhow::Error),
    #[error("request id or code missing")]
    CodeMissing,
    #[error("no such pending request of this doctor")]
    Unknown,
    #[error("wrong code")]
    Wrong { attempts_left: i32, status: Status },
    #[error(transparent)]
    Database(service_db::DbError),
    #[error(transparent)]
    Unexpected(anyhow::Error),
}

impl From<service_db::DbError> for AccessRequestError {
    fn from(error: service_db::DbError) -> Self {
        Self::Database(error)
    }
}

impl From<diesel::result::Error> for AccessRequestError {
    fn from(error: diesel::result::Error) -> Self {
        Self::Database(error.into())
    }
}

impl From<AccessRequestError> for ApiError {
    fn from(error: AccessRequestError) -> Self {
        match error {
            AccessRequestError::PhoneMissing => refusal(
                "patient_access.phone_required",
                "شماره موبایل بیمار الزامی است",
                "Le numéro du patient est obligatoire.",
                "The patient's phone number is required.",
            ),
            AccessRequestError::PhoneInvalid => refusal(
                "patient_access.phone_invalid",
                "شماره موبایل باید با 09 شروع شود و 11 رقم باشد",
                "Ce numéro de téléphone n'est pas valide.",
                "This is not a valid phone number.",
            ),
            AccessRequestError::Budget { retry_after } => throttled(
                "patient_access.too_many_requests",
                retry_after,
                "تعداد درخواست‌ها بیش از حد مجاز است",
                "Trop de demandes.",
                "Too many requests.",
            ),
            AccessRequestError::Cooldown { retry_after } => throttled(
                "patient_access.cooldown",
                retry_after,
                "کد تایید به‌تازگی ارسال شده است",
                "Un code vient d'être envoyé.",
                "A code was sent a moment ago.",
            ),
            AccessRequestError::NotSent(cause) => Self::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "patient_access.code_not_sent",
                Text::i18n(
                    "خطا در ارسال کد تایید",
                    "Le code n'a pas pu être envoyé.",
                    "The code could not be sent.",
                ),
            )
            .contract(json!({"error": "خطا در ارسال کد تایید"}))
            .caused_by(cause),
            AccessRequestError::CodeMissing => refusal(
                "patient_access.code_required",
                "شناسه درخواست و کد تایید الزامی است",
                "L'identifiant de la demande et le code sont obligatoires.",
                "The request id and the code are required.",
            ),
            AccessRequestError::Unknown => {
                Self::no_match("patient_access.request_not_found", "PatientAccessRequest")
            }
            AccessRequestError::Wrong {
                attempts_left,
                status,
            } => refusal(
                if status == Status::Expired {
                    "patient_access.code_expired"
                } else {
                    "patient_access.code_wrong"
                },
                "کد تایید اشتباه است",
                "Ce code est incorrect ou expiré.",
                "This code is wrong or has expired.",
            )
            .contract(json!({
                "success": false,
                "attempts_left": attempts_left,
                "status": status.as_str(),
            })),
            AccessRequestError::Database(error) => error.into(),
            AccessRequestError::Unexpected(error) => Self::internal(error),
        }
    }
}

/// 400 with `error` in the contract's words.
fn refusal(code: &'static str, fa: &'static str, fr: &str, en: &str) -> ApiError {
    ApiError::bad_request(code, Text::i18n(fa, fr, en)).contract(json!({"error": fa}))
}

fn throttled(code: &'static str, seconds: u64, fa: &'static str, fr: &str, en: &str) -> ApiError {
    ApiError::new(StatusCode::TOO_MANY_REQUESTS, code, Text::i18n(fa, fr, en))
        .contract(json!({"error": fa, "retry_after": seconds}))
        .retry_after(seconds.max(1))
}
