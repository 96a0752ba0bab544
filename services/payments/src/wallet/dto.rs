//! What the wallet's routes answer.

use chrono::{DateTime, Utc};
use serde::Serialize;
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
    /// `settlement`, `wallet_spend`, `reversal`, `opening`.
    pub kind: String,
    /// What it refers to, such as a payment's id.
    pub reference: String,
    /// In words.
    pub description: String,
    /// Minor units; negative when money left.
    pub amount: i64,
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
            created_at: row.created_at,
        }
    }
}
