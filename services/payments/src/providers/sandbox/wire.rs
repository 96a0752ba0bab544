//! What the sandbox's API sends and takes (crate provider-simulators).

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
