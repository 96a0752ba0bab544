//! Requests and responses of projects (wire.md 6.2).

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use service_http::ApiError;
use utoipa::ToSchema;

use crate::wire::Checks;

/// Body of `POST` and `PUT`.
#[derive(Clone, Debug, Deserialize, ToSchema)]
pub(crate) struct CreateProjectRequest {
    /// 1 to 255 characters.
    pub(crate) name: String,
    /// Letters, digits, `-`, `_`; unique in the workspace.
    pub(crate) slug: String,
    /// Number of the workspace.
    pub(crate) workspace: i64,
    /// Free text.
    #[serde(default)]
    pub(crate) description: Option<String>,
    /// True when absent.
    #[serde(default)]
    pub(crate) is_active: Option<bool>,
}

/// Body of `PATCH`: what is absent stays.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
pub(crate) struct UpdateProjectRequest {
    /// 1 to 255 characters.
    #[serde(default)]
    pub(crate) name: Option<String>,
    /// Letters, digits, `-`, `_`; unique in the workspace.
    #[serde(default)]
    pub(crate) slug: Option<String>,
    /// Number of the workspace.
    #[serde(default)]
    pub(crate) workspace: Option<i64>,
    /// Free text.
    #[serde(default)]
    pub(crate) description: Option<String>,
    /// False hides it from pickers.
    #[serde(default)]
    pub(crate) is_active: Option<bool>,
}

impl CreateProjectRequest {
    /// # Errors
    /// 400 with every bad field.
    pub(crate) fn check(&self) -> Result<(), ApiError> {
        UpdateProjectRequest::from(self.clone()).check()
    }
}

impl From<CreateProjectRequest> for UpdateProjectRequest {
    fn from(request: CreateProjectRequest) -> Self {
        Self {
            name: Some(request.name),
            slug: Some(request.slug),
            workspace: Some(request.workspace),
            description: request.description,
            is_active: request.is_active,
        }
    }
}

impl UpdateProjectRequest {
    /// # Errors
    /// 400 with every bad field.
    pub(crate) fn check(&self) -> Result<(), ApiError> {
        let mut checks = Checks::default();
        if let Some(name) = &self.name {
            checks.text("name", name, 255);
        }
        if let Some(slug) = &self.slug {
            checks.slug("slug", slug);
        }
        if let Some(description) = &self.description {
            checks.length("description", description, 5000);
        }
        checks.finish()
    }
}

/// A project.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct ProjectResponse {
    /// Number.
    pub(crate) id: i64,
    pub(crate) name: String,
    pub(crate) slug: String,
    /// Number of the workspace.
    pub(crate) workspace: i64,
    pub(crate) workspace_name: String,
    pub(crate) description: String,
    /// Number of the user.
    pub(crate) created_by: i64,
    pub(crate) created_by_name: String,
    pub(crate) is_active: bool,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) updated_at: DateTime<Utc>,
    pub(crate) content_count: i64,
}
