//! Requests and answers of summaries.

use chrono::{DateTime, Utc};
use common_types::Language;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

/// What kind of summary is wanted.
#[derive(Debug, Default, Deserialize, ToSchema)]
pub(crate) struct CreateSummaryRequest {
    /// `fa`, `fr` or `en`; the caller's own when left out.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub(crate) language: Option<Language>,
    /// The patient's number, when the room does not say who it is.
    #[serde(default)]
    pub(crate) patient_user_id: Option<i64>,
}

/// A summary as the room's members see it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SummaryResponse {
    pub(crate) id: i64,
    pub(crate) content: String,
    pub(crate) summary_text: String,
    /// What made it.
    pub(crate) model: String,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) updated_at: DateTime<Utc>,
}

/// How far a summary is.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SummaryJobResponse {
    pub(crate) id: Uuid,
    /// `pending`, `running`, `completed` or `failed`.
    pub(crate) status: String,
    pub(crate) attempts: i32,
    /// Why it failed, or is tried again.
    pub(crate) error: Option<String>,
    pub(crate) summary: Option<SummaryResponse>,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) updated_at: DateTime<Utc>,
}
