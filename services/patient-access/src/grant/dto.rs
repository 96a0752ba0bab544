//! Bodies of the grant routes.

use chrono::{DateTime, Utc};
use common_types::PhoneNumber;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use super::GrantRow;

/// One grant in a list.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct GrantItem {
    /// Names the grant when revoking.
    pub(crate) grant_id: Uuid,
    /// The request it answers.
    pub(crate) request_id: Uuid,
    /// The doctor who may see.
    pub(crate) doctor_id: Uuid,
    /// The doctor's name as the patient was told it.
    pub(crate) doctor_name: String,
    /// The patient's number as the doctor gave it.
    pub(crate) patient_phone: String,
    /// When it began.
    pub(crate) granted_at: DateTime<Utc>,
    /// When it ends by itself.
    pub(crate) expires_at: DateTime<Utc>,
    /// When it was ended.
    pub(crate) revoked_at: Option<DateTime<Utc>>,
    /// `patient`, `doctor` or `admin`.
    pub(crate) revoked_by: Option<String>,
    /// When the doctor last looked.
    pub(crate) last_viewed_at: Option<DateTime<Utc>>,
    /// How often the doctor looked.
    pub(crate) view_count: i64,
    /// True while the doctor may see.
    pub(crate) is_active: bool,
}

impl GrantItem {
    pub(crate) fn at(row: GrantRow, now: DateTime<Utc>) -> Self {
        Self {
            is_active: row.revoked_at.is_none() && row.expires_at > now,
            grant_id: row.id,
            request_id: row.request_id,
            doctor_id: row.doctor_id,
            doctor_name: row.doctor_name,
            patient_phone: row.phone_as_given,
            granted_at: row.granted_at,
            expires_at: row.expires_at,
            revoked_at: row.revoked_at,
            revoked_by: row.revoked_by,
            last_viewed_at: row.last_viewed_at,
            view_count: row.view_count,
        }
    }
}

/// Body of `POST /crazyminer/patient/revoke/`.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct RevokeGrantRequest {
    /// From the list or the verification's answer.
    #[schema(value_type = String, format = Uuid)]
    #[serde(default)]
    pub(crate) grant_id: Option<Value>,
}

/// Answer 200: the grant is ended.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct GrantRevoked {
    /// Always true.
    pub(crate) success: bool,
    /// For the person.
    #[schema(example = "دسترسی لغو شد")]
    pub(crate) message: &'static str,
    /// The grant.
    pub(crate) grant_id: Uuid,
    /// When it ended; null when it had ended by itself.
    pub(crate) revoked_at: Option<DateTime<Utc>>,
}

/// Body of `POST /internal/grants/{id}/revoke`: the portal speaks for its patient.
#[derive(Debug, Deserialize)]
pub(crate) struct RevokeForPatientRequest {
    /// The patient's verified phone.
    pub(crate) phone: PhoneNumber,
}
