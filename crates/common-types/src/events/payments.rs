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

/// Money came into a wallet. The aggregate is the wallet; its versions follow its statement's lines.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WalletCredited {
    /// The wallet's ledger account.
    pub wallet_id: Uuid,
    /// The line of the wallet's statement, from 1, without gaps.
    pub aggregate_version: i64,
    /// The organisation in whose book it stands.
    pub organization_id: Uuid,
    /// Whose wallet.
    pub owner: Uuid,
    /// Minor units that came.
    pub amount: i64,
    /// Minor units afterwards.
    pub balance_after: i64,
    /// Currency of the amounts.
    pub currency: Currency,
    /// Why: `settlement`, `refund`, `reversal`, `opening` …
    pub kind: String,
    /// What the transfer refers to, such as a payment's id.
    pub reference: String,
    /// When.
    pub credited_at: DateTime<Utc>,
}
event!(
    WalletCredited,
    "payments.wallet_credited",
    1,
    wallet_id,
    |e| Some(e.organization_id)
);

/// Money left a wallet. The aggregate is the wallet; its versions follow its statement's lines.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WalletDebited {
    /// The wallet's ledger account.
    pub wallet_id: Uuid,
    /// The line of the wallet's statement, from 1, without gaps.
    pub aggregate_version: i64,
    /// The organisation in whose book it stands.
    pub organization_id: Uuid,
    /// Whose wallet.
    pub owner: Uuid,
    /// Minor units that left, above zero.
    pub amount: i64,
    /// Minor units afterwards.
    pub balance_after: i64,
    /// Currency of the amounts.
    pub currency: Currency,
    /// Why: `settlement`, `wallet_spend`, `refund_hold` …
    pub kind: String,
    /// What the transfer refers to, such as a payment's id.
    pub reference: String,
    /// When.
    pub debited_at: DateTime<Utc>,
}
event!(
    WalletDebited,
    "payments.wallet_debited",
    1,
    wallet_id,
    |e| Some(e.organization_id)
);

/// Provider, payments and ledger differ, and a person must look.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReconciliationAlarmed {
    /// The exception.
    pub exception_id: Uuid,
    /// Version of the exception.
    pub aggregate_version: i64,
    /// The organisation whose money it is; none when that is unknown.
    pub organization_id: Option<Uuid>,
    /// The provider's slug, or `ledger`.
    pub provider: String,
    /// What differs, such as `missing_here` or `amount_differs`.
    pub kind: String,
    /// The payment, when there is one.
    pub payment_id: Option<Uuid>,
    /// Minor units as they should be.
    pub expected: Option<i64>,
    /// Minor units as they were found.
    pub found: Option<i64>,
    /// ISO code of the amounts.
    pub currency: Option<String>,
    /// When.
    pub alarmed_at: DateTime<Utc>,
}
event!(
    ReconciliationAlarmed,
    "payments.reconciliation_alarmed",
    1,
    exception_id,
    |e| e.organization_id
);
