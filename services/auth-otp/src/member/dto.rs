//! What routes about members take and give.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::store::MemberRow;
use crate::user::dto::BriefUser;

/// A membership (wire.md 6.2); `role` is the content role.
#[derive(Debug, Serialize, ToSchema)]
pub struct MemberResponse {
    /// The membership's number.
    pub id: i64,
    /// Who.
    pub user: BriefUser,
    /// The organisation's number.
    pub organization: i64,
    /// `admin`, `editor`, `writer`, `viewer`, or null.
    pub role: Option<String>,
    /// `admin`, `doctor`, `secretary`, `accountant`, or null.
    pub clinic_role: Option<String>,
    /// When the user joined.
    pub joined_at: DateTime<Utc>,
    /// The user's id everywhere else.
    pub user_uuid: Uuid,
    /// False while suspended.
    pub is_active: bool,
    /// A doctor's licence number; may be empty.
    pub license_number: String,
    /// When an admin approved the doctor.
    pub doctor_approved_at: Option<DateTime<Utc>>,
}

impl From<MemberRow> for MemberResponse {
    fn from(row: MemberRow) -> Self {
        let some = |text: String| (!text.is_empty()).then_some(text);
        Self {
            id: row.number,
            user: BriefUser {
                id: row.user_number,
                phone_number: row.phone,
                full_name: some(row.full_name),
                email: some(row.email),
            },
            organization: row.organization_number,
            role: row.content_role,
            clinic_role: row.clinic_role,
            joined_at: row.joined_at,
            user_uuid: row.user_id,
            is_active: row.is_active,
            license_number: row.license_number,
            doctor_approved_at: row.doctor_approved_at,
        }
    }
}

/// A membership to be made or changed. An explicit null takes a role away.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
pub struct MemberRequest {
    /// The user's number.
    pub user_id: Option<i64>,
    /// The user's phone, instead of `user_id`; a user is made when there is none.
    pub phone_number: Option<String>,
    /// The organisation's number.
    pub organization: Option<i64>,
    /// The content role.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>)]
    pub role: Option<Option<String>>,
    /// The clinic role.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>)]
    pub clinic_role: Option<Option<String>>,
    /// The licence number of a doctor, at most 50 characters.
    pub license_number: Option<String>,
    /// False suspends the membership: it gives no rights until it is true again.
    pub is_active: Option<bool>,
}

/// Tells an explicit null from an absent member.
fn present<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Option<String>>, D::Error> {
    Option::<String>::deserialize(deserializer).map(Some)
}

/// Filters of the list.
#[derive(Debug, Default, Deserialize)]
pub struct MemberFilter {
    /// The organisation's number.
    pub organization: Option<String>,
    /// The content role.
    pub role: Option<String>,
    /// The clinic role.
    pub clinic_role: Option<String>,
}
