//! Sessions and faults: pure data.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// State of a session at a vendor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SessionState {
    /// The payer has not decided.
    Open,
    /// Money was taken.
    Paid,
    /// The payer or the bank said no.
    Declined,
    /// It can no longer be paid.
    Expired,
    /// The money went back before it was verified.
    Reversed,
}

/// Money going back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionRefund {
    /// The vendor's id.
    pub id: String,
    /// The vendor's unit.
    pub amount: i64,
    /// The client's key, where the vendor takes one.
    pub key: Option<String>,
    /// The client's own name for it, where the vendor keeps one.
    #[serde(default)]
    pub note: Option<String>,
}

/// A payment page as a vendor stores it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// The vendor's id: authority, paymentCode, `cs_…`, `cos-…`.
    pub id: String,
    /// In the unit in which it was asked for.
    pub amount: i64,
    /// As it was asked for.
    pub currency: String,
    /// The merchant's order.
    pub order_id: String,
    /// Shown to the payer.
    pub description: String,
    /// Where the browser goes after paying.
    pub return_url: String,
    /// Where it goes after declining.
    pub cancel_url: String,
    /// The creating call's key and the bytes it had.
    pub request: Option<(String, String)>,
    /// State.
    pub state: SessionState,
    /// The merchant has verified it.
    pub verified: bool,
    /// Given when money was taken: ref_id, paymentRefId, `pi_…`, `TCN…`.
    pub reference: Option<String>,
    /// Accepted refunds, oldest first.
    pub refunds: Vec<SessionRefund>,
    /// Creation.
    pub created_at: DateTime<Utc>,
}

impl Session {
    /// What went back.
    pub fn refunded(&self) -> i64 {
        self.refunds.iter().map(|refund| refund.amount).sum()
    }
}

/// Switches for the bad days of a vendor; all off by default. Counters run down with each call.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Faults {
    /// Milliseconds before each answer.
    pub delay_ms: u64,
    /// This many of the next calls answer 500.
    pub fail_calls: u32,
    /// This many of the next calls answer a page instead of the protocol.
    pub garble_calls: u32,
    /// This many of the next calls are carried out, but their answer is lost (500).
    pub lose_answers: u32,
    /// Added to the amount that is reported: a vendor that lies.
    pub amount_offset: i64,
}
