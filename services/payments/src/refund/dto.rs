//! What the refund routes take and answer.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::Refund;

/// `POST /api/v1/payments/{id}/refund/`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateRefundRequest {
    /// Minor units; all that is left when absent.
    pub amount: Option<i64>,
    /// `provider`, `wallet` or `manual`; the way the money came when absent.
    pub method: Option<String>,
    /// Why, 1 to 500 characters.
    pub reason: String,
    /// The desk's reference; required for `manual`.
    pub reference: Option<String>,
}

/// `POST /api/v1/refunds/{id}/reject/`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RejectRefundRequest {
    /// Why, 1 to 500 characters.
    pub reason: String,
}

/// A refund.
#[derive(Debug, Serialize, ToSchema)]
pub struct RefundResponse {
    /// Its id.
    pub id: Uuid,
    /// The payment.
    pub payment_id: Uuid,
    /// `awaiting_approval`, `processing`, `succeeded`, `failed`, `rejected`.
    pub status: &'static str,
    /// `provider`, `wallet`, `manual`.
    pub method: &'static str,
    /// Minor units.
    pub amount: i64,
    /// ISO code.
    pub currency: &'static str,
    /// Why.
    pub reason: String,
    /// The provider's id of the refund, or the desk's reference.
    pub provider_reference: Option<String>,
    /// Why it failed.
    pub failure_reason: Option<String>,
    /// Who asked for it.
    pub requested_by: Uuid,
    /// Who approved or rejected it.
    pub decided_by: Option<Uuid>,
    /// When it was asked for.
    pub created_at: DateTime<Utc>,
    /// When the money had gone back.
    pub completed_at: Option<DateTime<Utc>>,
}

impl From<&Refund> for RefundResponse {
    fn from(refund: &Refund) -> Self {
        Self {
            id: refund.id,
            payment_id: refund.payment_id,
            status: refund.status.as_str(),
            method: refund.method.as_str(),
            amount: refund.price.amount,
            currency: refund.price.currency.code(),
            reason: refund.reason.clone(),
            provider_reference: refund.provider_reference.clone(),
            failure_reason: refund.failure_reason.clone(),
            requested_by: refund.requested_by,
            decided_by: refund.decided_by,
            created_at: refund.created_at,
            completed_at: refund.completed_at,
        }
    }
}

/// Filters of the list.
#[derive(Debug, Deserialize)]
pub(crate) struct RefundsQuery {
    pub(crate) payment_id: Option<Uuid>,
    pub(crate) status: Option<String>,
}
