//! Payments, refunds, webhook deliveries and the behaviour switches: pure data and rules.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

/// State of a payment at the provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PaymentStatus {
    /// The payer has not decided.
    Pending,
    /// Money was taken.
    Paid,
    /// Declined by the payer or the bank.
    Failed,
    /// Part of the money went back.
    PartiallyRefunded,
    /// All of it went back.
    Refunded,
}

/// Money going back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refund {
    /// `re_…`.
    pub id: String,
    /// Minor units.
    pub amount: i64,
    /// The client's key; one refund per key.
    pub idempotency_key: String,
    /// `succeeded`, or `pending` (see [`Behaviour::pending_refunds`]).
    #[serde(default = "succeeded")]
    pub status: String,
    /// When it was accepted.
    pub created_at: DateTime<Utc>,
}

fn succeeded() -> String {
    "succeeded".to_owned()
}

/// A payment as stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Payment {
    /// `pay_…`.
    pub id: String,
    /// Minor units.
    pub amount: i64,
    /// ISO code (or `IRT`).
    pub currency: String,
    /// The client's order.
    pub order_id: String,
    /// Where the browser returns to.
    pub callback_url: String,
    /// Shown to the payer.
    pub description: String,
    /// `Idempotency-Key` of the creating call.
    pub idempotency_key: Option<String>,
    /// State.
    pub status: PaymentStatus,
    /// The bank's tracking number, once paid.
    pub reference: Option<String>,
    /// Creation.
    pub created_at: DateTime<Utc>,
    /// Approval or refusal.
    pub decided_at: Option<DateTime<Utc>>,
    /// Accepted refunds, oldest first.
    pub refunds: Vec<Refund>,
}

impl Payment {
    /// Minor units that went back.
    pub fn refunded(&self) -> i64 {
        self.refunds.iter().map(|refund| refund.amount).sum()
    }
}

/// A webhook on its way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    /// Equal to the event id, with `#n` for deliberate duplicates.
    pub id: String,
    /// The exact bytes that are signed and posted.
    pub body: String,
    /// Tries so far.
    pub attempts: u32,
    /// When the next try is due.
    pub due_at: DateTime<Utc>,
    /// When a 2xx came, or the receiver said 410.
    pub finished_at: Option<DateTime<Utc>>,
    /// What the last try gave: a status or an error word.
    pub last_outcome: Option<String>,
}

/// Tries before a webhook is given up: about 25 minutes.
pub(crate) const MAX_ATTEMPTS: u32 = 30;

/// Pause after the `attempts`-th failed try: 1 s, 2 s, 4 s … at most 60 s.
pub(crate) fn retry_pause(attempts: u32) -> TimeDelta {
    TimeDelta::seconds(1_i64 << attempts.saturating_sub(1).min(6)).min(TimeDelta::seconds(60))
}

/// Switches for the bad days of a provider. All off by default.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Behaviour {
    /// An approval on the hosted page ends as `failed`.
    pub decline: bool,
    /// Milliseconds between the payer's decision and the first webhook.
    pub delay_ms: u64,
    /// Extra copies of each webhook (same body, same event id).
    pub duplicate_webhooks: u32,
    /// This many of the next status calls answer 500.
    pub fail_status_calls: u32,
    /// This many of the next create calls answer 503.
    pub fail_create_calls: u32,
    /// This many of the next refund calls answer 500 although the money goes back: the client must
    /// find out by asking.
    pub lose_refund_answers: u32,
    /// This many of the next refund calls answer 503 and give nothing back.
    pub fail_refund_calls: u32,
    /// This many of the next settlement lists were written before any refund: none shows in them.
    pub lists_before_refunds: u32,
    /// New refunds stay `pending` until this is off again.
    pub pending_refunds: bool,
    /// Milliseconds before each API answer.
    pub api_delay_ms: u64,
    /// Added to the amount that status calls and webhooks report: a provider that lies.
    pub amount_offset: i64,
    /// No webhook is sent at all: the client must find out by asking.
    pub drop_webhooks: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_minute() {
        let pauses: Vec<i64> = (1..=8).map(|n| retry_pause(n).num_seconds()).collect();
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 60, 60]);
        assert_eq!(retry_pause(u32::MAX).num_seconds(), 60);
    }
}
