//! Events of payments. Amounts are minor units.

use super::event;
use crate::Currency;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};
use uuid::Uuid;

/// What a payment is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PaymentPurpose {
    /// An invoice of portal.
    Invoice,
    /// A charge of the payer's wallet.
    WalletCharge,
    /// A doctor pays for a SOAPify user (Y01).
    Soapify,
    /// A service of the platform.
    Service,
}

impl PaymentPurpose {
    /// The purpose as it stands on the wire and in the database.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Invoice => "invoice",
            Self::WalletCharge => "wallet_charge",
            Self::Soapify => "soapify",
            Self::Service => "service",
        }
    }
}

impl fmt::Display for PaymentPurpose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The text names no [`PaymentPurpose`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("unknown payment purpose")]
pub struct UnknownPurpose;

impl FromStr for PaymentPurpose {
    type Err = UnknownPurpose;
    fn from_str(text: &str) -> Result<Self, UnknownPurpose> {
        match text {
            "invoice" => Ok(Self::Invoice),
            "wallet_charge" => Ok(Self::WalletCharge),
            "soapify" => Ok(Self::Soapify),
            "service" => Ok(Self::Service),
            _ => Err(UnknownPurpose),
        }
    }
}

/// The provider confirmed the payment and the ledger holds it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PaymentSettled {
    /// The payment.
    pub payment_id: Uuid,
    /// Version of the payment.
    pub aggregate_version: i64,
    /// Its organisation.
    pub organization_id: Uuid,
    /// What it is for.
    pub purpose: PaymentPurpose,
    /// The invoice, when the purpose is one.
    pub invoice_id: Option<Uuid>,
    /// The user who started it; none when a patient paid from the portal.
    pub payer: Option<Uuid>,
    /// Minor units.
    pub amount: i64,
    /// Currency of `amount`.
    pub currency: Currency,
    /// The provider's slug.
    pub provider: String,
    /// The provider's id of the payment.
    pub provider_reference: String,
    /// When it was confirmed.
    pub settled_at: DateTime<Utc>,
}
event!(
    PaymentSettled,
    "payments.payment_settled",
    1,
    payment_id,
    |e| Some(e.organization_id)
);

/// The payment ended without money.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PaymentFailed {
    /// The payment.
    pub payment_id: Uuid,
    /// Version of the payment.
    pub aggregate_version: i64,
    /// Its organisation.
    pub organization_id: Uuid,
    /// What it is for.
    pub purpose: PaymentPurpose,
    /// The invoice, when the purpose is one.
    pub invoice_id: Option<Uuid>,
    /// The user who started it.
    pub payer: Option<Uuid>,
    /// Minor units.
    pub amount: i64,
    /// Currency of `amount`.
    pub currency: Currency,
    /// The provider's slug.
    pub provider: String,
    /// `failed`, `cancelled` or `expired`.
    pub status: String,
    /// When it ended.
    pub failed_at: DateTime<Utc>,
}
event!(
    PaymentFailed,
    "payments.payment_failed",
    1,
    payment_id,
    |e| Some(e.organization_id)
);

/// Money of a settled payment went back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PaymentRefunded {
    /// The payment.
    pub payment_id: Uuid,
    /// Version of the payment.
    pub aggregate_version: i64,
    /// Its organisation.
    pub organization_id: Uuid,
    /// The refund.
    pub refund_id: Uuid,
    /// What the payment was for.
    pub purpose: PaymentPurpose,
    /// The invoice, when the purpose is one.
    pub invoice_id: Option<Uuid>,
    /// Minor units of this refund.
    pub amount: i64,
    /// Minor units of all refunds of the payment so far, this one included.
    pub total_refunded: i64,
    /// Currency of the amounts.
    pub currency: Currency,
    /// True when nothing of the payment is left.
    pub is_full: bool,
    /// When.
    pub refunded_at: DateTime<Utc>,
}
event!(
    PaymentRefunded,
    "payments.payment_refunded",
    1,
    payment_id,
    |e| Some(e.organization_id)
);
