//! What the payout routes take and answer.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::schema::payouts;

/// `POST /api/v1/payouts/`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RecordPayoutRequest {
    /// The provider's slug.
    pub provider: String,
    /// Minor units.
    pub amount: i64,
    /// `IRR`, `XOF`, `EUR`, `USD`.
    pub currency: String,
    /// The bank's number of the transfer, 1 to 100 characters.
    pub bank_reference: String,
}

/// Money that a provider paid out to the clinic's bank.
#[derive(Debug, Clone, Serialize, ToSchema, Queryable, Selectable)]
#[diesel(table_name = payouts, check_for_backend(diesel::pg::Pg))]
pub struct PayoutResponse {
    /// Its id.
    pub id: Uuid,
    /// The provider's slug.
    pub provider: String,
    /// Minor units.
    pub amount: i64,
    /// ISO code.
    pub currency: String,
    /// The bank's number of the transfer.
    pub bank_reference: String,
    /// Its transfer in the ledger.
    pub transfer_id: Uuid,
    /// Who recorded it.
    pub recorded_by: Uuid,
    /// When.
    pub created_at: DateTime<Utc>,
}
