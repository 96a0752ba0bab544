//! Requests and responses of contents (wire.md 6.2).

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use service_http::ApiError;
use utoipa::ToSchema;

use super::model::Status;
use crate::wire::{Checks, present};

/// The kinds of generation.
pub(crate) const KINDS: &[&str] = &["outline", "draft", "rewrite", "caption"];
/// Most characters of a body; a JSON request of 256 KB holds no more of any script.
const MAX_BODY: usize = 200_000;

/// Body of `POST` and `PUT`.
#[derive(Clone, Debug, Deserialize, ToSchema)]
pub(crate) struct CreateContentRequest {
    /// 1 to 500 characters.
    pub(crate) title: String,
    /// Number of the project.
    pub(crate) project: i64,
    /// The text.
    #[serde(default)]
    pub(crate) body: Option<String>,
    /// `draft` (default) or `review`.
    #[serde(default)]
    pub(crate) status: Option<String>,
    /// Number of the prompt.
    #[serde(default)]
    pub(crate) prompt: Option<i64>,
    /// Values for the prompt's placeholders.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    pub(crate) prompt_variables: Option<Map<String, Value>>,
}

/// Body of `PATCH`: what is absent stays.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
pub(crate) struct UpdateContentRequest {
    #[serde(default)]
    pub(crate) title: Option<String>,
    #[serde(default)]
    pub(crate) project: Option<i64>,
    #[serde(default)]
    pub(crate) body: Option<String>,
    /// Moves only between `draft` and `review`.
    #[serde(default)]
    pub(crate) status: Option<String>,
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<i64>)]
    pub(crate) prompt: Option<Option<i64>>,
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    pub(crate) prompt_variables: Option<Map<String, Value>>,
}

impl From<CreateContentRequest> for UpdateContentRequest {
    fn from(request: CreateContentRequest) -> Self {
        Self {
            title: Some(request.title),
            project: Some(request.project),
            body: request.body,
            status: request.status,
            prompt: Some(request.prompt),
            prompt_variables: request.prompt_variables,
        }
    }
}

impl CreateContentRequest {
    /// # Errors
    /// 400 with every bad field.
    pub(crate) fn check(&self) -> Result<(), ApiError> {
        UpdateContentRequest::from(self.clone()).check()?;
        let mut checks = Checks::default();
        if let Some(status) = &self.status {
            checks.choice("status", status, &["draft", "review"]);
        }
        checks.finish()
    }
}

impl UpdateContentRequest {
    /// # Errors
    /// 400 with every bad field.
    pub(crate) fn check(&self) -> Result<(), ApiError> {
        let mut checks = Checks::default();
        if let Some(title) = &self.title {
            checks.text("title", title, 500);
        }
        if let Some(body) = &self.body {
            checks.length("body", body, MAX_BODY);
        }
        if let Some(status) = &self.status {
            checks.choice("status", status, Status::NAMES);
        }
        checks.finish()
    }

    /// Whether it changes more than the status.
    pub(crate) fn changes_text(&self) -> bool {
        self.title.is_some()
            || self.project.is_some()
            || self.body.is_some()
            || self.prompt.is_some()
            || self.prompt_variables.is_some()
    }
}

/// Body of `POST /api/contents/{id}/reject/`.
#[derive(Clone, Debug, Deserialize, ToSchema)]
pub(crate) struct RejectRequest {
    /// Why; 1 to 2000 characters.
    pub(crate) reason: String,
}

impl RejectRequest {
    /// # Errors
    /// 400 for a blank or long reason.
    pub(crate) fn check(&self) -> Result<(), ApiError> {
        let mut checks = Checks::default();
        checks.text("reason", &self.reason, 2000);
        checks.finish()
    }
}

/// Body of `POST /api/contents/{id}/generate/`.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
pub(crate) struct GenerateRequest {
    /// `outline`, `draft`, `rewrite` or `caption`.
    pub(crate) kind: String,
    /// At most 500 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) topic: Option<String>,
    /// At most 100 characters; `professional` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) tone: Option<String>,
    /// At most 200 characters; `general` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) audience: Option<String>,
    /// At most 500 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) keywords: Option<String>,
    /// 100 to 5000; 500 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) min_words: Option<i64>,
    /// 100 to 10000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) max_words: Option<i64>,
    /// At most 2000 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) additional_instructions: Option<String>,
}

impl GenerateRequest {
    pub(crate) fn tone(&self) -> &str {
        self.tone.as_deref().unwrap_or("professional")
    }

    pub(crate) fn audience(&self) -> &str {
        self.audience.as_deref().unwrap_or("general")
    }

    pub(crate) fn min_words(&self) -> i64 {
        self.min_words.unwrap_or(500)
    }

    /// # Errors
    /// 400 with every bad field.
    pub(crate) fn check(&self) -> Result<(), ApiError> {
        let mut checks = Checks::default();
        checks.choice("kind", &self.kind, KINDS);
        for (field, value, max) in [
            ("topic", &self.topic, 500),
            ("tone", &self.tone, 100),
            ("audience", &self.audience, 200),
            ("keywords", &self.keywords, 500),
            (
                "additional_instructions",
                &self.additional_instructions,
                2000,
            ),
        ] {
            if let Some(value) = value {
                checks.length(field, value, max);
            }
        }
        if let Some(words) = self.min_words {
            checks.range("min_words", words, 100, 5000);
        }
        if let Some(words) = self.max_words {
            checks.range("max_words", words, 100, 10_000);
        }
        checks.finish()
    }
}

/// Answer 202 of `POST /api/contents/{id}/generate/`.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct GenerateResponse {
    /// Number of the job, see `/api/ai/jobs/`.
    pub(crate) job_id: i64,
    /// `pending`.
    pub(crate) status: &'static str,
    pub(crate) message: &'static str,
    /// The content, in progress now.
    pub(crate) content: ContentResponse,
}

/// A content in a list.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct ContentListItem {
    /// Number.
    pub(crate) id: i64,
    pub(crate) title: String,
    pub(crate) status: String,
    /// Number of the project.
    pub(crate) project: i64,
    pub(crate) project_name: String,
    pub(crate) word_count: i32,
    pub(crate) has_pii: bool,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) updated_at: DateTime<Utc>,
}

/// A content.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct ContentResponse {
    /// Number.
    pub(crate) id: i64,
    pub(crate) title: String,
    pub(crate) body: String,
    pub(crate) status: String,
    /// Number of the project.
    pub(crate) project: i64,
    pub(crate) project_name: String,
    /// Number of the prompt.
    pub(crate) prompt: Option<i64>,
    pub(crate) prompt_title: Option<String>,
    pub(crate) prompt_variables: Value,
    pub(crate) word_count: i32,
    pub(crate) has_pii: bool,
    /// By kind, or an empty list.
    pub(crate) pii_warnings: Value,
    pub(crate) metadata: Value,
    /// Number of the user.
    pub(crate) created_by: i64,
    pub(crate) created_by_name: String,
    /// Number of the user.
    pub(crate) approved_by: Option<i64>,
    pub(crate) approved_by_name: Option<String>,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) updated_at: DateTime<Utc>,
    pub(crate) approved_at: Option<DateTime<Utc>>,
    pub(crate) rejection_reason: Option<String>,
}
