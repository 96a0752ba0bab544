//! The portal on the wire (wire.md 5, seeds R03, R18).

use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{access::AccessRow, patient::PatientRow, report::ReportItem};

/// Answer of a login.
#[derive(Serialize, ToSchema)]
pub(crate) struct LoginResponse {
    pub(crate) success: bool,
    pub(crate) message: &'static str,
    pub(crate) patient: PatientBrief,
    pub(crate) access_info: AccessInfo,
    pub(crate) files: Vec<ReportItem>,
    pub(crate) session_token: String,
    pub(crate) expires_at: DateTime<Utc>,
}

/// The patient as the portal greets.
#[derive(Serialize, ToSchema)]
pub(crate) struct PatientBrief {
    id: i64,
    full_name: String,
    phone_number: Option<String>,
    language: String,
}

impl From<&PatientRow> for PatientBrief {
    fn from(row: &PatientRow) -> Self {
        Self {
            id: row.number,
            full_name: row.full_name(),
            phone_number: row.phone_number.clone(),
            language: row.language.clone(),
        }
    }
}

/// The state of the keys.
#[derive(Serialize, ToSchema)]
pub(crate) struct AccessInfo {
    access_key: String,
    is_permanent: bool,
    is_active: bool,
    access_count: i64,
    last_access: Option<DateTime<Utc>>,
    last_accessed: Option<DateTime<Utc>>,
}

impl AccessInfo {
    /// `last` is the access before this one: null means "first visit" to the client.
    pub(crate) fn new(row: &AccessRow, access_key: String, last: Option<DateTime<Utc>>) -> Self {
        Self {
            access_key,
            is_permanent: true,
            is_active: row.is_active,
            access_count: row.access_count,
            last_access: last,
            last_accessed: last,
        }
    }
}

/// The patient's own page.
#[derive(Serialize, ToSchema)]
pub(crate) struct ProfileResponse {
    pub(crate) patient: PatientBrief,
    pub(crate) access_info: AccessInfo,
    pub(crate) message: &'static str,
}
