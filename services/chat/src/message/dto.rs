//! Requests and answers of messages.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::room::{RoomResponse, UserResponse};

/// A message to post over REST (wire.md 4.4).
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct CreateMessageRequest {
    /// The room's id.
    #[serde(default)]
    pub(crate) chat_room: Option<i64>,
    /// At most 8,000 characters.
    pub(crate) text: String,
    /// `text` (default), `image`, `file` or `location`.
    #[serde(default)]
    pub(crate) message_type: Option<String>,
    /// Latitude of a location.
    #[serde(default)]
    pub(crate) lat: Option<f64>,
    /// Longitude of a location.
    #[serde(default)]
    pub(crate) lng: Option<f64>,
    /// An uploaded file's id.
    #[serde(default)]
    pub(crate) attach_id: Option<i64>,
    /// The sender's own name for the message; a second one with the same name stores nothing.
    #[serde(default)]
    pub(crate) client_id: Option<String>,
}

/// A message over REST.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct MessageResponse {
    pub(crate) id: i64,
    pub(crate) sender: UserResponse,
    pub(crate) file_url: Option<String>,
    pub(crate) message_type: String,
    pub(crate) text: String,
    pub(crate) timestamp: DateTime<Utc>,
    pub(crate) lat: Option<f64>,
    pub(crate) lng: Option<f64>,
    pub(crate) created_at: DateTime<Utc>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) client_id: Option<String>,
    pub(crate) chat_room: Option<RoomResponse>,
    /// Numbers of the members who have read it.
    pub(crate) read_by: Vec<i64>,
}

/// A page of messages by cursor, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct MessagePage {
    pub(crate) next: Option<String>,
    pub(crate) previous: Option<String>,
    pub(crate) results: Vec<MessageResponse>,
}
