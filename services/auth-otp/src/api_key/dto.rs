//! What the routes of partners' keys take and give.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::store::ApiKeyRow;

/// A key to be made.
#[derive(Debug, Deserialize, ToSchema)]
pub struct CreateApiKey {
    /// The partner, at most 100 characters.
    pub name: Option<String>,
    /// What the key may do.
    #[serde(default)]
    pub scopes: Vec<String>,
    /// When it ends; never when absent.
    pub expires_at: Option<DateTime<Utc>>,
    /// The clinic it belongs to; a superuser may name one, an admin's key belongs to the admin's.
    pub organization_id: Option<Uuid>,
}

/// What may change of a key.
#[derive(Debug, Default, Deserialize, ToSchema)]
pub struct UpdateApiKey {
    /// The partner, at most 100 characters.
    pub name: Option<String>,
    /// What the key may do.
    pub scopes: Option<Vec<String>>,
    /// When it ends.
    pub expires_at: Option<DateTime<Utc>>,
}

/// How a key is replaced.
#[derive(Debug, Default, Deserialize, ToSchema)]
pub struct RotateApiKey {
    /// For how long the old key counts beside the new one; 0 when absent.
    #[serde(default)]
    pub overlap_seconds: i64,
}

/// Which keys.
#[derive(Debug, Default, Deserialize)]
pub struct ApiKeyFilter {
    /// Of this clinic; superusers only.
    pub organization_id: Option<Uuid>,
    /// `active`, `expired` or `revoked`.
    pub state: Option<String>,
}

/// A key without its text.
#[derive(Debug, Serialize, ToSchema)]
pub struct ApiKeyResponse {
    /// The id.
    pub id: Uuid,
    /// The partner.
    pub name: String,
    /// Its first characters.
    pub hint: String,
    /// What it may do.
    pub scopes: Vec<String>,
    /// The clinic it belongs to.
    pub organization_id: Option<Uuid>,
    /// `active`, `expired` or `revoked`.
    pub state: &'static str,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// Who made it.
    pub created_by: Option<Uuid>,
    /// When it ends.
    pub expires_at: Option<DateTime<Utc>>,
    /// When it was revoked.
    pub revoked_at: Option<DateTime<Utc>>,
    /// Last use, to the minute.
    pub last_used_at: Option<DateTime<Utc>>,
    /// The key that took its place.
    pub replaced_by: Option<Uuid>,
}

/// A key with its text, shown this once.
#[derive(Serialize, ToSchema)]
pub struct ApiKeyMade {
    /// The text that the partner sends.
    pub key: String,
    /// The key.
    #[serde(flatten)]
    pub shown: ApiKeyResponse,
}

impl ApiKeyResponse {
    /// How the key stands now.
    #[must_use]
    pub fn new(row: ApiKeyRow, now: DateTime<Utc>) -> Self {
        let state = if row.revoked_at.is_some() {
            "revoked"
        } else if row.expires_at.is_some_and(|end| end <= now) {
            "expired"
        } else {
            "active"
        };
        Self {
            id: row.id,
            name: row.name,
            hint: row.hint,
            scopes: row.scopes,
            organization_id: row.organization_id,
            state,
            created_at: row.created_at,
            created_by: row.created_by,
            expires_at: row.expires_at,
            revoked_at: row.revoked_at,
            last_used_at: row.last_used_at,
            replaced_by: row.replaced_by,
        }
    }
}
