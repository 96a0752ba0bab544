//! What the wallet's routes answer.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::ledger::StatementRow;

/// A wallet with its newest movements.
#[derive(Debug, Serialize, ToSchema)]
pub struct WalletResponse {
    /// The organisation in whose book it stands.
    pub organization_id: Uuid,
    /// Minor units.
    pub balance: i64,
    /// ISO code.
    pub currency: &'static str,
    /// The newest movements; all of them under `entries/`.
    pub entries: Vec<WalletEntry>,
}

/// One movement.
#[derive(Debug, Serialize, ToSchema)]
pub struct WalletEntry {
    /// The movement.
    pub id: Uuid,
    /// The transfer it belongs to.
    pub transfer_id: Uuid,
    /// `settlement`, `wallet_spend`, `refund_hold`, `refund`, `reversal`, `opening`.
    pub kind: String,
    /// What it refers to, such as a payment's id.
    pub reference: String,
    /// In words.
    pub description: String,
    /// Minor units; negative when money left.
    pub amount: i64,
    /// Minor units in the wallet after it.
    pub balance_after: i64,
    /// Its place in the statement, from 1, without gaps.
    pub line: i64,
    /// When.
    pub created_at: DateTime<Utc>,
}

impl From<StatementRow> for WalletEntry {
    fn from(row: StatementRow) -> Self {
        Self {
            id: row.id,
            transfer_id: row.transfer_id,
            kind: row.kind,
            reference: row.reference,
            description: row.description,
            amount: row.amount,
            balance_after: row.balance_after,
            line: row.line,
            created_at: row.created_at,
        }
    }
}

/// `POST /api/v1/wallet/pay/`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PayRequest {
    /// Minor units.
    pub amount: i64,
    /// The wallet's currency; that of the installation when absent.
    pub currency: Option<String>,
    /// In words, 1 to 1,000 characters.
    pub description: String,
}

/// `POST /api/v1/wallet/pay-invoice/`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PayInvoiceRequest {
    /// The invoice.
    pub invoice_id: Uuid,
    /// Minor units, at most what is due; all of it when absent.
    pub amount: Option<i64>,
}

/// `PUT /api/v1/wallet/top-up/`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TopUpRequest {
    /// Below this balance the wallet is charged, minor units.
    pub threshold: i64,
    /// With so much, minor units.
    pub amount: i64,
    /// The wallet's currency; that of the installation when absent.
    pub currency: Option<String>,
}

/// When a wallet is charged by itself.
#[derive(Debug, Serialize, ToSchema)]
pub struct TopUpResponse {
    /// ISO code.
    pub currency: String,
    /// Below this balance the wallet is charged, minor units.
    pub threshold: i64,
    /// With so much, minor units.
    pub amount: i64,
    /// The charge that was opened last.
    pub payment_id: Option<Uuid>,
}

/// Which wallet.
#[derive(Debug, Deserialize)]
pub(crate) struct WalletQuery {
    pub(crate) currency: Option<String>,
}
