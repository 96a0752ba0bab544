//! What a provider can do after a payment was settled: give money back, and list what it settled.
//!
//! Both are capabilities, not duties: a provider without them answers `None` from
//! [`PaymentProvider::refunds`](super::PaymentProvider::refunds) or
//! [`PaymentProvider::settlements`](super::PaymentProvider::settlements), and the caller chooses
//! another way (the wallet, the desk; asking payment by payment).

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use common_types::Money;
use uuid::Uuid;

use super::{Asked, ProviderError};

/// Money that a provider is asked to give back.
#[derive(Debug, Clone, Copy)]
pub struct RefundOrder<'a> {
    /// Our refund; the idempotency key at the provider.
    pub id: Uuid,
    /// The payment, in our row's words.
    pub payment: Asked<'a>,
    /// How much goes back; of the payment's currency, at most what is left of it.
    pub price: Money,
    /// In words.
    pub reason: &'a str,
}

/// What a provider says of a refund.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefundReport {
    /// The provider's id of the refund.
    pub reference: String,
    /// What became of it.
    pub state: RefundState,
    /// Minor units it speaks of, when it names them.
    pub amount: Option<i64>,
}

/// What became of a refund at the provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefundState {
    /// Accepted; the money is on its way and the provider is asked again.
    Pending,
    /// The money went back.
    Done,
    /// It ended without money going back.
    Failed,
}

/// A provider that gives money back by its API.
#[async_trait]
pub trait GivesBack: Send + Sync {
    /// Gives money back. Asked again with the same [`RefundOrder::id`] it gives back once: where the
    /// vendor knows no idempotency key, the client looks for the refund first.
    ///
    /// # Errors
    /// [`ProviderError::Refused`] when nothing went back and nothing will; [`ProviderError::Unknown`]
    /// when that cannot be told.
    async fn refund(&self, order: RefundOrder<'_>) -> Result<RefundReport, ProviderError>;

    /// What became of a refund; `None` when the provider knows of none. `reference` is the
    /// provider's own id, when an answer ever brought one.
    ///
    /// # Errors
    /// See [`ProviderError`].
    async fn refund_status(
        &self,
        order: RefundOrder<'_>,
        reference: Option<&str>,
    ) -> Result<Option<RefundReport>, ProviderError>;
}

/// One payment in a provider's list of what it settled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettledLine {
    /// The provider's id of the payment, as [`Opened::reference`](super::Opened::reference).
    pub reference: String,
    /// Our id, as it echoes it, when it does.
    pub order_id: Option<String>,
    /// Minor units that were paid.
    pub amount: i64,
    /// ISO code.
    pub currency: String,
    /// Minor units of it that went back.
    pub refunded: i64,
    /// When it was paid.
    pub paid_at: DateTime<Utc>,
}

/// A provider that lists what was paid.
#[async_trait]
pub trait ListsSettlements: Send + Sync {
    /// Everything paid from `from` up to, but not including, `to`, in any order.
    ///
    /// # Errors
    /// See [`ProviderError`]; a list that is not whole is [`ProviderError::Unknown`].
    async fn settled_between(
        &self,
        from: DateTime<Utc>,
        to: DateTime<Utc>,
    ) -> Result<Vec<SettledLine>, ProviderError>;
}
