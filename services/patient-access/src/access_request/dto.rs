//! Bodies of the request routes.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

/// Body of `POST /crazyminer/patient/request/`.
#[derive(Deserialize, ToSchema)]
pub(crate) struct CreateAccessRequest {
    /// The patient's phone number in any spelling.
    #[schema(value_type = String, example = "09123456789")]
    #[serde(default)]
    pub(crate) patient_phone: Option<Value>,
}

/// Answer 201: the patient has a code.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AccessRequestCreated {
    /// Names the request when verifying.
    pub(crate) request_id: Uuid,
    /// For the doctor.
    #[schema(example = "کد تایید به شماره بیمار ارسال شد")]
    pub(crate) message: &'static str,
    /// As it was given.
    pub(crate) patient_phone: String,
    /// When the code dies.
    pub(crate) code_expires_at: DateTime<Utc>,
    /// Seconds until this doctor may ask for another code for this patient.
    pub(crate) cooldown_seconds: i64,
    /// Wrong codes that are forgiven.
    pub(crate) attempts_left: i32,
    /// True when this doctor already holds a live grant; its token is never handed out again.
    pub(crate) already_granted: bool,
}

/// Body of `POST /crazyminer/patient/verify/`.
#[derive(Deserialize, ToSchema)]
pub(crate) struct VerifyAccessRequest {
    /// From the request's answer.
    #[schema(value_type = String, format = Uuid)]
    #[serde(default)]
    pub(crate) request_id: Option<Value>,
    /// The six digits the patient read out; text or number, Latin or Persian digits.
    #[schema(value_type = String, example = "123456")]
    #[serde(default)]
    pub(crate) otp_code: Option<Value>,
}

/// Answer 200: the patient consented.
#[derive(Serialize, ToSchema)]
pub(crate) struct AccessVerified {
    /// Always true.
    pub(crate) success: bool,
    /// For the doctor.
    #[schema(example = "دسترسی با موفقیت تایید شد")]
    pub(crate) message: &'static str,
    /// 64 letters and digits for `X-Patient-Access-Token`; shown this once.
    pub(crate) access_token: String,
    /// When the consent ends by itself.
    pub(crate) expires_at: DateTime<Utc>,
    /// Names the grant when revoking.
    pub(crate) grant_id: Uuid,
}

/// One request in a list.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AccessRequestItem {
    /// Names the request.
    pub(crate) request_id: Uuid,
    /// As it was given.
    pub(crate) patient_phone: String,
    /// `pending`, `verified`, `expired` or `rejected`.
    pub(crate) status: String,
    /// Wrong codes that are still forgiven.
    pub(crate) attempts_left: i32,
    /// When it was made.
    pub(crate) created_at: DateTime<Utc>,
    /// When its code dies.
    pub(crate) code_expires_at: Option<DateTime<Utc>>,
    /// When it ended.
    pub(crate) decided_at: Option<DateTime<Utc>>,
}
