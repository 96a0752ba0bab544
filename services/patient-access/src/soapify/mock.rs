//! Made-up patients for development without a SOAPify; refused in production by the settings.

use async_trait::async_trait;
use common_types::PhoneNumber;
use serde_json::{Value, json};

use super::{PatientSource, SourceError, SourcePatient};

/// Every number has a patient with one fixed summary that says what it is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mock;

#[async_trait]
impl PatientSource for Mock {
    async fn patient(&self, phone: &PhoneNumber) -> Result<SourcePatient, SourceError> {
        let digits: String = phone.e164().chars().filter(char::is_ascii_digit).collect();
        Ok(SourcePatient {
            id: digits,
            name: "بیمار نمونه".to_owned(),
        })
    }

    async fn latest_summary(&self, patient_id: &str) -> Result<Option<Value>, SourceError> {
        Ok(Some(json!({
            "id": patient_id,
            "content": "این خلاصه ساختگی است و برای توسعه به کار می‌رود.",
            "summary_text": "خلاصهٔ ساختگی",
            "created_at": "2026-01-01T00:00:00Z",
            "updated_at": "2026-01-01T00:00:00Z",
        })))
    }
}
