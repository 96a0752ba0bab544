//! What routes about workspaces take and give.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::store::WorkspaceRow;

/// A workspace (wire.md 6.2). Projects live in `content`, so their count is not known here.
#[derive(Debug, Serialize, ToSchema)]
pub struct WorkspaceResponse {
    /// The number.
    pub id: i64,
    /// The id everywhere else.
    pub uuid: Uuid,
    /// The name.
    pub name: String,
    /// The slug, unique in the organisation.
    pub slug: String,
    /// The organisation's number.
    pub organization: i64,
    /// The organisation's name.
    pub organization_name: String,
    /// A description; may be empty.
    pub description: String,
    /// False when closed.
    pub is_active: bool,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it was changed.
    pub updated_at: DateTime<Utc>,
    /// Projects in it, closed ones included.
    pub project_count: i64,
}

impl From<WorkspaceRow> for WorkspaceResponse {
    fn from(row: WorkspaceRow) -> Self {
        Self {
            id: row.number,
            uuid: row.id,
            name: row.name,
            slug: row.slug,
            organization: row.organization_number,
            organization_name: row.organization_name,
            description: row.description,
            is_active: row.is_active,
            created_at: row.created_at,
            updated_at: row.updated_at,
            project_count: row.project_count,
        }
    }
}

/// A workspace to be made or changed; it never moves to another organisation.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
pub struct WorkspaceRequest {
    /// At most 255 characters.
    pub name: Option<String>,
    /// At most 100 letters, digits, `-`, `_`; unique in the organisation.
    pub slug: Option<String>,
    /// The organisation's number.
    pub organization: Option<i64>,
    /// Any text.
    pub description: Option<String>,
    /// False closes it.
    pub is_active: Option<bool>,
}

/// Filters of the list.
#[derive(Debug, Default, Deserialize)]
pub struct WorkspaceFilter {
    /// The organisation's number.
    pub organization: Option<String>,
    /// Open or closed ones.
    pub is_active: Option<String>,
}
