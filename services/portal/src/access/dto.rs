//! Key sets on the wire (wire.md 5).

use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use super::AccessRow;
use crate::patient::{PatientResponse, PatientRow};

/// A key set as staff see it. `password` is shown at first creation or to holders of `keys.reprint`, else null (decision 36).
#[derive(Serialize, ToSchema)]
pub(crate) struct AccessResponse {
    id: i64,
    patient: PatientResponse,
    patient_name: String,
    access_key: String,
    password: Option<String>,
    is_active: bool,
    is_valid: bool,
    is_permanent: bool,
    access_count: i64,
    last_access: Option<DateTime<Utc>>,
    last_accessed: Option<DateTime<Utc>>,
    sent_via_sms: bool,
    sent_via_email: bool,
    created_at: DateTime<Utc>,
}

impl AccessResponse {
    pub(crate) fn new(
        row: &AccessRow,
        patient: &PatientRow,
        access_key: String,
        password: Option<String>,
        (sent_via_sms, sent_via_email): (bool, bool),
    ) -> Self {
        Self {
            id: row.number,
            patient: patient.into(),
            patient_name: patient.full_name(),
            access_key,
            password,
            is_active: row.is_active,
            is_valid: row.is_active,
            is_permanent: true,
            access_count: row.access_count,
            last_access: row.last_access,
            last_accessed: row.last_access,
            sent_via_sms,
            sent_via_email,
            created_at: row.created_at,
        }
    }
}
