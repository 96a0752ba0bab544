//! What django-chelseru's payment routes take and answer.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

/// `POST /api/payment/create/`.
#[derive(Debug, Deserialize, ToSchema)]
#[allow(
    dead_code,
    reason = "read as JSON because old clients send numbers and texts; this is its description"
)]
pub(crate) struct CreateRequest {
    /// Whole tomans, or rials with `currency` `IRR`; number or text.
    amount: i64,
    /// The shop's number, at most 20 characters.
    order_id: Option<String>,
    /// In words.
    description: Option<String>,
    /// Echoed; the gateway returns to our own page.
    callback_url: Option<String>,
    /// Where the payer is sent afterwards; our own pages and the listed origins only.
    frontend_callback_url: Option<String>,
    /// `IRT` (default) or `IRR`.
    currency: Option<String>,
    /// 1 charges the wallet (default), 2 pays only.
    pay_mode: Option<i16>,
}

/// An opened payment.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Created {
    /// As the client said it.
    pub(crate) currency: String,
    /// Such as `ZARINPAL_COM`.
    pub(crate) gateway_title: String,
    /// Where to pay.
    pub(crate) gateway_url: String,
    /// Where the gateway returns to, as the client said it or as it is.
    pub(crate) callback_url: String,
    /// The gateway's number.
    pub(crate) authority: String,
    /// 100.
    pub(crate) status_code: i32,
    /// In words.
    pub(crate) message: String,
    /// The gateway's members.
    pub(crate) data: Value,
}

/// What became of a payment.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Verified {
    /// 1 when paid.
    pub(crate) is_pay: i32,
    /// 100 when this call found it paid, 101 when it was before.
    pub(crate) status_code: i32,
    /// In words.
    pub(crate) message: String,
    /// Not handed on.
    pub(crate) card_hash: Option<String>,
    /// Not handed on.
    pub(crate) card_pan: Option<String>,
    /// The bank's number; a number where it is one.
    pub(crate) ref_id: Value,
    /// The gateway's members.
    pub(crate) data_verify: Value,
}
