//! Events of content.

use super::event;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A content was approved and a version of it made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContentApproved {
    /// The content.
    pub content_id: Uuid,
    /// Its bigint number.
    pub content_number: i64,
    /// Version of the row.
    pub aggregate_version: i64,
    /// Its organisation.
    pub organization_id: Uuid,
    /// Its workspace.
    pub workspace_id: Uuid,
    /// Its project.
    pub project_id: Uuid,
    /// The version that approval made.
    pub version_id: Uuid,
    /// That version's place among the content's versions, from 1.
    pub version_number: i32,
    /// Who wrote it.
    pub author_id: Uuid,
    /// Who approved it.
    pub approved_by: Uuid,
    /// When.
    pub approved_at: DateTime<Utc>,
}
event!(
    ContentApproved,
    "content.content_approved",
    1,
    content_id,
    |e| Some(e.organization_id)
);

/// A content was rejected. The reason stays with content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContentRejected {
    /// The content.
    pub content_id: Uuid,
    /// Its bigint number.
    pub content_number: i64,
    /// Version of the row.
    pub aggregate_version: i64,
    /// Its organisation.
    pub organization_id: Uuid,
    /// Its workspace.
    pub workspace_id: Uuid,
    /// Its project.
    pub project_id: Uuid,
    /// Who wrote it.
    pub author_id: Uuid,
    /// Who rejected it.
    pub rejected_by: Uuid,
    /// When.
    pub rejected_at: DateTime<Utc>,
}
event!(
    ContentRejected,
    "content.content_rejected",
    1,
    content_id,
    |e| Some(e.organization_id)
);

/// Whom a usage limit binds (C04).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LimitScope {
    /// One user.
    User,
    /// One workspace.
    Workspace,
    /// One organisation.
    Organization,
}

/// The window in which a limit counts (C04).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LimitPeriod {
    /// A calendar month.
    Monthly,
    /// A calendar day.
    Daily,
}

/// A usage limit was set, changed or removed; integrations enforces it (decisions.md 16).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UsageLimitChanged {
    /// The limit.
    pub limit_id: Uuid,
    /// Version of the limit.
    pub aggregate_version: i64,
    /// The organisation that set it.
    pub organization_id: Uuid,
    /// Whom it binds.
    pub scope: LimitScope,
    /// The user, workspace or organisation.
    pub scope_id: Uuid,
    /// Requests per window; `None` is unlimited.
    pub requests_limit: Option<i64>,
    /// Tokens per window; `None` is unlimited.
    pub tokens_limit: Option<i64>,
    /// Millionths of a US dollar per window; `None` is unlimited.
    pub cost_limit_micros: Option<i64>,
    /// The window.
    pub period: LimitPeriod,
    /// True when the limit was removed.
    pub is_deleted: bool,
    /// When it changed.
    pub changed_at: DateTime<Utc>,
}
event!(
    UsageLimitChanged,
    "content.usage_limit_changed",
    1,
    limit_id,
    |e| Some(e.organization_id)
);

/// How many projects a workspace has now; auth-otp shows the number with the workspace (A16).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkspaceProjectsCounted {
    /// The workspace.
    pub workspace_id: Uuid,
    /// How often its projects were counted, this time included.
    pub aggregate_version: i64,
    /// Its organisation.
    pub organization_id: Uuid,
    /// Projects in it, closed ones included.
    pub project_count: i64,
    /// When they were counted.
    pub counted_at: DateTime<Utc>,
}
event!(
    WorkspaceProjectsCounted,
    "content.workspace_projects_counted",
    1,
    workspace_id,
    |e| Some(e.organization_id)
);
