//! What routes about organisations take and give.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::store::OrganizationRow;

/// An organisation (wire.md 6.2).
#[derive(Debug, Serialize, ToSchema)]
pub struct OrganizationResponse {
    /// The number.
    pub id: i64,
    /// The id everywhere else.
    pub uuid: Uuid,
    /// The name.
    pub name: String,
    /// The slug, unique on the platform.
    pub slug: String,
    /// A description; may be empty.
    pub description: String,
    /// False when closed.
    pub is_active: bool,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it was changed.
    pub updated_at: DateTime<Utc>,
    /// How many members.
    pub member_count: i64,
    /// How many workspaces.
    pub workspace_count: i64,
}

impl OrganizationResponse {
    /// The row with its counts.
    #[must_use]
    pub fn new(row: OrganizationRow, member_count: i64, workspace_count: i64) -> Self {
        Self {
            id: row.number,
            uuid: row.id,
            name: row.name,
            slug: row.slug,
            description: row.description,
            is_active: row.is_active,
            created_at: row.created_at,
            updated_at: row.updated_at,
            member_count,
            workspace_count,
        }
    }
}

/// An organisation to be made or changed.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
pub struct OrganizationRequest {
    /// At most 255 characters.
    pub name: Option<String>,
    /// At most 100 letters, digits, `-`, `_`; unique.
    pub slug: Option<String>,
    /// Any text.
    pub description: Option<String>,
    /// False closes it.
    pub is_active: Option<bool>,
}

/// Filters of the list.
#[derive(Debug, Default, Deserialize)]
pub struct OrganizationFilter {
    /// Open or closed ones.
    pub is_active: Option<String>,
}

/// Django's words for a boolean in a query string; anything else does not filter.
#[must_use]
pub fn boolean(text: Option<&str>) -> Option<bool> {
    match text?.to_ascii_lowercase().as_str() {
        "true" | "1" => Some(true),
        "false" | "0" => Some(false),
        _ => None,
    }
}
