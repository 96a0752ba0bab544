//! Requests and responses of prompts (wire.md 6.2).

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use service_http::ApiError;
use utoipa::ToSchema;

use super::model::CATEGORIES;
use crate::wire::{Checks, present};

/// Body of `POST` and `PUT`.
#[derive(Clone, Debug, Deserialize, ToSchema)]
pub(crate) struct CreatePromptRequest {
    /// 1 to 255 characters.
    pub(crate) title: String,
    /// `blog`, `social`, `ecommerce`, `email`, `ad`, `other`, `marketing` or `seo`.
    pub(crate) category: String,
    /// Text with `{name}` placeholders.
    pub(crate) prompt_template: String,
    /// Names of the placeholders, or an object that describes them.
    #[serde(default)]
    pub(crate) variables: Option<Value>,
    /// Number of the workspace; null for the whole organisation.
    #[serde(default)]
    pub(crate) workspace: Option<i64>,
    /// False when absent.
    #[serde(default)]
    pub(crate) is_public: Option<bool>,
}

/// Body of `PATCH`: what is absent stays.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
pub(crate) struct UpdatePromptRequest {
    #[serde(default)]
    pub(crate) title: Option<String>,
    #[serde(default)]
    pub(crate) category: Option<String>,
    #[serde(default)]
    pub(crate) prompt_template: Option<String>,
    #[serde(default)]
    pub(crate) variables: Option<Value>,
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<i64>)]
    pub(crate) workspace: Option<Option<i64>>,
    #[serde(default)]
    pub(crate) is_public: Option<bool>,
}

impl From<CreatePromptRequest> for UpdatePromptRequest {
    fn from(request: CreatePromptRequest) -> Self {
        Self {
            title: Some(request.title),
            category: Some(request.category),
            prompt_template: Some(request.prompt_template),
            variables: request.variables,
            workspace: Some(request.workspace),
            is_public: request.is_public,
        }
    }
}

impl CreatePromptRequest {
    /// # Errors
    /// 400 with every bad field.
    pub(crate) fn check(&self) -> Result<(), ApiError> {
        UpdatePromptRequest::from(self.clone()).check()
    }
}

impl UpdatePromptRequest {
    /// # Errors
    /// 400 with every bad field.
    pub(crate) fn check(&self) -> Result<(), ApiError> {
        let mut checks = Checks::default();
        if let Some(title) = &self.title {
            checks.text("title", title, 255);
        }
        if let Some(category) = &self.category {
            checks.choice("category", category, CATEGORIES);
        }
        if let Some(template) = &self.prompt_template {
            checks.text("prompt_template", template, 20_000);
        }
        match &self.variables {
            None | Some(Value::Object(_)) => {}
            Some(Value::Array(names)) if names.iter().all(Value::is_string) => {}
            Some(_) => checks.add("variables", "Expected a list of names or an object."),
        }
        checks.finish()
    }
}

/// A prompt.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct PromptResponse {
    /// Number.
    pub(crate) id: i64,
    pub(crate) title: String,
    pub(crate) category: String,
    pub(crate) prompt_template: String,
    pub(crate) variables: Value,
    /// Number of the workspace.
    pub(crate) workspace: Option<i64>,
    pub(crate) workspace_name: Option<String>,
    pub(crate) is_public: bool,
    /// How many generations used it.
    pub(crate) usage_count: i64,
    /// Number of the user.
    pub(crate) created_by: i64,
    pub(crate) created_by_name: String,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) updated_at: DateTime<Utc>,
}
