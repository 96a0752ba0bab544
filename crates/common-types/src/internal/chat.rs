//! SOAPify lookups that chat serves to API keys and service tokens (wire.md 2.4).

use crate::PhoneNumber;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Answer of `GET /api/users/by-phone/{phone}/`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SoapifyUser {
    /// The user's id: the bigint number.
    pub id: i64,
    /// The user's name.
    pub username: String,
    /// The phone.
    pub phone_number: Option<PhoneNumber>,
    /// The e-mail address; empty when unknown.
    #[serde(default)]
    pub email: String,
}

impl fmt::Debug for SoapifyUser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SoapifyUser")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// Answer of `GET /api/chat/summaries/latest/{user_id}/`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SoapifySummary {
    /// The summary's id: the bigint number.
    pub id: i64,
    /// The long form.
    pub content: String,
    /// The short form.
    pub summary_text: String,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it last changed.
    pub updated_at: DateTime<Utc>,
}

impl fmt::Debug for SoapifySummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SoapifySummary")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}
