//! The answer with the patient's data.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

/// Answer 200 of `GET /crazyminer/patient/data/`.
#[derive(Serialize, ToSchema)]
pub(crate) struct PatientData {
    /// As the doctor gave it.
    pub(crate) patient_phone: String,
    /// The patient's name; may be empty.
    pub(crate) patient_name: String,
    /// `{id, content, summary_text, created_at, updated_at}` as its source gives it, or null.
    #[schema(value_type = Option<Object>)]
    pub(crate) latest_summary: Option<Value>,
    /// Whether there is a summary.
    pub(crate) has_summary: bool,
    /// When the summary was made, or null.
    #[schema(value_type = Option<String>)]
    pub(crate) summary_date: Option<Value>,
    /// Whether it was kept from an earlier look.
    pub(crate) from_cache: bool,
}

/// What was fetched, as it is sealed.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Fetched {
    pub(crate) patient_name: String,
    pub(crate) latest_summary: Option<Value>,
}

impl Fetched {
    pub(crate) fn shown(self, patient_phone: String, from_cache: bool) -> PatientData {
        PatientData {
            patient_phone,
            patient_name: self.patient_name,
            has_summary: self.latest_summary.is_some(),
            summary_date: self
                .latest_summary
                .as_ref()
                .and_then(|summary| summary.get("created_at").cloned()),
            latest_summary: self.latest_summary,
            from_cache,
        }
    }
}
