//! What routes about invitations take and give.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::store::InvitationRow;

/// An invitation.
#[derive(Debug, Serialize, ToSchema)]
pub struct InvitationResponse {
    /// The invitation.
    pub id: Uuid,
    /// The organisation's number.
    pub organization: i64,
    /// The organisation's id.
    pub organization_id: Uuid,
    /// The organisation's name.
    pub organization_name: String,
    /// E.164.
    pub phone_number: String,
    /// The content role offered.
    pub role: Option<String>,
    /// The clinic role offered.
    pub clinic_role: Option<String>,
    /// A doctor's licence number; may be empty.
    pub license_number: String,
    /// Language of the text message.
    pub language: String,
    /// `pending`, `accepted`, `declined`, `revoked` or `expired`.
    pub state: String,
    /// What became of the text message: `waiting`, `queued`, `sent`, `unknown` or `failed`.
    pub delivery: String,
    /// Text messages sent.
    pub sends: i32,
    /// The last one.
    pub sent_at: Option<DateTime<Utc>>,
    /// Who invited: the user's number.
    pub invited_by: i64,
    /// Who invited: the name.
    pub invited_by_name: String,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// Until when it may be accepted.
    pub expires_at: DateTime<Utc>,
    /// When it was accepted, declined or revoked.
    pub decided_at: Option<DateTime<Utc>>,
}

impl InvitationResponse {
    /// The row as it stands at `now`.
    #[must_use]
    pub fn new(row: InvitationRow, now: DateTime<Utc>) -> Self {
        let late = row.state == "pending" && row.expires_at <= now;
        Self {
            id: row.id,
            organization: row.organization_number,
            organization_id: row.organization_id,
            organization_name: row.organization_name,
            phone_number: row.phone,
            role: row.content_role,
            clinic_role: row.clinic_role,
            license_number: row.license_number,
            language: row.language,
            state: if late {
                "expired".to_owned()
            } else {
                row.state
            },
            delivery: row.delivery,
            sends: row.sends,
            sent_at: row.sent_at,
            invited_by: row.inviter_number,
            invited_by_name: row.inviter_name,
            created_at: row.created_at,
            expires_at: row.expires_at,
            decided_at: row.decided_at,
        }
    }
}

/// `POST /api/auth/invitations/`.
#[derive(Debug, Default, Deserialize, ToSchema)]
pub struct InvitationRequest {
    /// The organisation's number.
    pub organization: Option<i64>,
    /// Any spelling.
    pub phone_number: Option<String>,
    /// The content role: `admin`, `editor`, `writer` or `viewer`.
    pub role: Option<String>,
    /// The clinic role: `admin`, `doctor`, `secretary` or `accountant`; clinic admins only.
    pub clinic_role: Option<String>,
    /// A doctor's licence number, at most 50 characters.
    pub license_number: Option<String>,
    /// Language of the text message; the inviter's when absent.
    pub language: Option<String>,
}

/// Filters of the list.
#[derive(Debug, Default, Deserialize)]
pub struct InvitationFilter {
    /// The organisation's number.
    pub organization: Option<String>,
    /// The state, as shown.
    pub state: Option<String>,
}
