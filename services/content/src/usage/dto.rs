//! Requests and responses of usage (wire.md 6.2).

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use service_http::ApiError;
use utoipa::ToSchema;

use super::model;
use crate::wire::{Checks, present};

/// The scopes (C04).
pub(crate) const SCOPES: &[&str] = &["user", "workspace", "organization"];
/// The periods (C04).
pub(crate) const PERIODS: &[&str] = &["monthly", "daily"];

/// Body of `POST` and `PUT`.
#[derive(Clone, Debug, Deserialize, ToSchema)]
pub(crate) struct CreateLimitRequest {
    /// `user`, `workspace` or `organization`.
    pub(crate) scope: String,
    /// Number of the user, workspace or organisation.
    pub(crate) scope_id: i64,
    /// Requests per window; null is no bound.
    #[serde(default)]
    pub(crate) requests_limit: Option<i64>,
    /// Tokens per window; null is no bound.
    #[serde(default)]
    pub(crate) tokens_limit: Option<i64>,
    /// US dollars per window, `"1.00"`; null is no bound.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub(crate) cost_limit: Option<Value>,
    /// `monthly` (default) or `daily`.
    #[serde(default)]
    pub(crate) period: Option<String>,
}

/// Body of `PATCH`: what is absent stays.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
pub(crate) struct UpdateLimitRequest {
    #[serde(default)]
    pub(crate) scope: Option<String>,
    #[serde(default)]
    pub(crate) scope_id: Option<i64>,
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<i64>)]
    pub(crate) requests_limit: Option<Option<i64>>,
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<i64>)]
    pub(crate) tokens_limit: Option<Option<i64>>,
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>)]
    pub(crate) cost_limit: Option<Option<Value>>,
    #[serde(default)]
    pub(crate) period: Option<String>,
}

impl From<CreateLimitRequest> for UpdateLimitRequest {
    fn from(request: CreateLimitRequest) -> Self {
        Self {
            scope: Some(request.scope),
            scope_id: Some(request.scope_id),
            requests_limit: Some(request.requests_limit),
            tokens_limit: Some(request.tokens_limit),
            cost_limit: Some(request.cost_limit),
            period: request.period,
        }
    }
}

impl UpdateLimitRequest {
    /// # Errors
    /// 400 with every bad field.
    pub(crate) fn check(&self) -> Result<(), ApiError> {
        let mut checks = Checks::default();
        if let Some(scope) = &self.scope {
            checks.choice("scope", scope, SCOPES);
        }
        for (field, value) in [
            ("requests_limit", self.requests_limit),
            ("tokens_limit", self.tokens_limit),
        ] {
            if let Some(Some(value)) = value {
                checks.range(field, value, 0, i64::from(i32::MAX));
            }
        }
        if let Some(Some(cost)) = &self.cost_limit
            && model::parse_dollars(cost).is_none()
        {
            checks.add("cost_limit", "A valid number is required.");
        }
        if let Some(period) = &self.period {
            checks.choice("period", period, PERIODS);
        }
        checks.finish()
    }

    /// The cost bound in millionths, when the request names one.
    pub(crate) fn cost_micros(&self) -> Option<Option<i64>> {
        self.cost_limit
            .as_ref()
            .map(|cost| cost.as_ref().and_then(model::parse_dollars))
    }
}

/// A limit.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct LimitResponse {
    /// Number.
    pub(crate) id: i64,
    pub(crate) scope: String,
    /// Number of the user, workspace or organisation.
    pub(crate) scope_id: i64,
    pub(crate) requests_limit: Option<i64>,
    pub(crate) tokens_limit: Option<i64>,
    /// `"1.00"`.
    pub(crate) cost_limit: Option<String>,
    pub(crate) period: String,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) updated_at: DateTime<Utc>,
}

/// One AI call.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct UsageLogResponse {
    /// Number.
    pub(crate) id: i64,
    /// Number of the content.
    pub(crate) content: Option<i64>,
    pub(crate) content_title: Option<String>,
    /// Number of the job.
    pub(crate) ai_job: Option<i64>,
    /// Number of the user.
    pub(crate) user: Option<i64>,
    pub(crate) user_name: Option<String>,
    /// Number of the workspace.
    pub(crate) workspace: Option<i64>,
    /// Number of the organisation.
    pub(crate) organization: Option<i64>,
    pub(crate) model: String,
    pub(crate) prompt_tokens: i64,
    pub(crate) completion_tokens: i64,
    pub(crate) total_tokens: i64,
    /// US dollars with six decimals, as text.
    pub(crate) estimated_cost: String,
    /// Seconds with three decimals, as text.
    pub(crate) request_duration: String,
    pub(crate) success: bool,
    pub(crate) error_message: Option<String>,
    pub(crate) timestamp: DateTime<Utc>,
}
