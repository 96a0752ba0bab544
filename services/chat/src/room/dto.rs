//! Requests and answers of rooms.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::person::Person;

/// A person as others see them; never a phone, never a hash (wire.md 9.5).
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct UserResponse {
    /// The person's number.
    pub(crate) id: i64,
    /// The opaque handle.
    pub(crate) username: String,
    /// The name, may be empty.
    pub(crate) full_name: String,
}

impl From<&Person> for UserResponse {
    fn from(person: &Person) -> Self {
        Self {
            id: person.number,
            username: person.handle(),
            full_name: person.full_name.clone(),
        }
    }
}

/// Whom to talk to.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct CreateRoomRequest {
    /// The other person's number.
    #[serde(default, alias = "user")]
    pub(crate) user_id: Option<i64>,
    /// At most 45 characters.
    #[serde(default)]
    pub(crate) name: Option<String>,
    /// Free text.
    #[serde(default)]
    pub(crate) descriptions: Option<String>,
}

/// What may change in a room; what is left out stays.
#[derive(Debug, Default, Deserialize, ToSchema)]
pub(crate) struct UpdateRoomRequest {
    /// At most 45 characters.
    #[serde(default)]
    pub(crate) name: Option<String>,
    /// Free text.
    #[serde(default)]
    pub(crate) descriptions: Option<String>,
    /// 1 open, 2 closed, 3 on hold; clinic staff only.
    #[serde(default)]
    pub(crate) status: Option<i16>,
    /// Pinned for the caller.
    #[serde(default)]
    pub(crate) pinned: Option<bool>,
}

/// One member's access codes: 0 read-only … 12 delete (wire.md 4.4).
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct MemberAccess {
    pub(crate) user: i64,
    pub(crate) access: Vec<i16>,
}

/// A room as its members see it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RoomResponse {
    pub(crate) id: i64,
    pub(crate) user_1: Option<i64>,
    pub(crate) user_2: Option<i64>,
    pub(crate) users: Vec<UserResponse>,
    pub(crate) unread_count: i64,
    /// 1 open, 2 closed, 3 on hold.
    pub(crate) status: i16,
    pub(crate) name: String,
    pub(crate) descriptions: String,
    pub(crate) updated_at: DateTime<Utc>,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) organization: Option<i64>,
    pub(crate) pinned_for: Vec<i64>,
    pub(crate) permissions: Vec<MemberAccess>,
    pub(crate) banneds: Vec<i64>,
}
