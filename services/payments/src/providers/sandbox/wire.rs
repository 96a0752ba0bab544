//! What the sandbox's API sends and takes (crate provider-simulators).

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize)]
pub(super) struct CreatePayment<'a> {
    pub(super) amount: i64,
    pub(super) currency: &'a str,
    pub(super) order_id: String,
    pub(super) callback_url: &'a str,
    pub(super) description: &'a str,
}

#[derive(Debug, Deserialize)]
pub(super) struct Payment {
    pub(super) id: String,
    pub(super) status: String,
    pub(super) amount: i64,
    pub(super) currency: String,
    pub(super) order_id: String,
    #[serde(default)]
    pub(super) reference: Option<String>,
    #[serde(default)]
    pub(super) hosted_url: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Payments {
    pub(super) results: Vec<Payment>,
}

#[derive(Debug, Serialize)]
pub(super) struct CreateRefund {
    pub(super) amount: i64,
    pub(super) idempotency_key: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct Refund {
    pub(super) id: String,
    pub(super) amount: i64,
    pub(super) status: String,
    pub(super) idempotency_key: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct Refunds {
    pub(super) results: Vec<Refund>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Settled {
    pub(super) id: String,
    pub(super) order_id: String,
    pub(super) amount: i64,
    pub(super) currency: String,
    pub(super) refunded_amount: i64,
    pub(super) decided_at: DateTime<Utc>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Settlements {
    pub(super) results: Vec<Settled>,
}
