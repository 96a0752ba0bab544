//! Events of chat.

use super::event;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A summary of a conversation with a patient was made; whoever cached an older one drops it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SummaryCreated {
    /// The summary.
    pub summary_id: Uuid,
    /// Version of the summary.
    pub aggregate_version: i64,
    /// The room's organisation.
    pub organization_id: Option<Uuid>,
    /// The room.
    pub room_id: Uuid,
    /// The user whose conversation it sums up.
    pub patient_user_id: Uuid,
    /// When it was made.
    pub created_at: DateTime<Utc>,
}
event!(SummaryCreated, "chat.summary_created", 1, summary_id, |e| e
    .organization_id);
