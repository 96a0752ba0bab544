//! Where a patient's latest summary comes from: the two lookup routes of SOAPify (wire.md 2.4).

mod http;
mod mock;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use common_types::PhoneNumber;
use serde_json::Value;
use service_http::Stack;

use crate::{Adapter, Settings};

/// The patient as the source knows them.
#[derive(Clone)]
pub(crate) struct SourcePatient {
    /// The source's id of the patient, as it stands in its paths.
    pub(crate) id: String,
    /// The name to show.
    pub(crate) name: String,
}

/// Why the source gave nothing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SourceError {
    /// It answered with another status than 200.
    #[error("the patient source answered {0}")]
    Status(u16),
    /// It could not be asked, or its answer could not be read.
    #[error("the patient source cannot be asked: {0}")]
    Unavailable(String),
}

/// A source of patients and their summaries.
#[async_trait]
pub(crate) trait PatientSource: Send + Sync + 'static {
    /// The patient of a phone number.
    async fn patient(&self, phone: &PhoneNumber) -> Result<SourcePatient, SourceError>;

    /// The patient's latest summary as the source gives it, or `None` when there is none.
    async fn latest_summary(&self, patient_id: &str) -> Result<Option<Value>, SourceError>;
}

/// The source that the settings name.
///
/// # Errors
/// When its client cannot be made.
pub(crate) fn source(settings: &Settings, stack: &Stack) -> anyhow::Result<Arc<dyn PatientSource>> {
    let timeout = Duration::from_millis(settings.soapify.timeout_ms);
    match settings.soapify.adapter {
        Adapter::Mock => Ok(Arc::new(mock::Mock)),
        Adapter::DirectDb => anyhow::bail!("soapify.adapter direct_db is not served"),
        Adapter::Http => {
            let base = match settings.soapify.base_url.as_str() {
                "" => format!("{}/api", settings.peers.chat.trim_end_matches('/')),
                base => base.trim_end_matches('/').to_owned(),
            };
            Ok(Arc::new(http::Http::new(
                base,
                settings.soapify.api_key.clone(),
                stack.tokens.clone(),
                timeout,
            )?))
        }
    }
}
