use chrono::{DateTime, TimeDelta, Utc};
use common_types::Money;
use uuid::Uuid;

/// How money goes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// The provider sends it back the way it came.
    Provider,
    /// It goes into the payer's wallet.
    Wallet,
    /// Somebody of the clinic handed it over or transferred it.
    Manual,
}

impl Method {
    /// As it stands on the wire and in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Provider => "provider",
            Self::Wallet => "wallet",
            Self::Manual => "manual",
        }
    }

    /// The method of that name.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Provider, Self::Wallet, Self::Manual]
            .into_iter()
            .find(|method| method.as_str() == text)
    }
}

/// Where a refund stands. It never goes back: the last three are ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefundStatus {
    /// A second person must approve it.
    AwaitingApproval,
    /// The provider is being asked; the outcome may be unknown.
    Processing,
    /// The money went back.
    Succeeded,
    /// The provider refused; the money is where it was.
    Failed,
    /// The second person said no; the money is where it was.
    Rejected,
}

impl RefundStatus {
    /// As it stands on the wire and in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AwaitingApproval => "awaiting_approval",
            Self::Processing => "processing",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Rejected => "rejected",
        }
    }

    /// The status of that name.
    pub fn parse(text: &str) -> Option<Self> {
        [
            Self::AwaitingApproval,
            Self::Processing,
            Self::Succeeded,
            Self::Failed,
            Self::Rejected,
        ]
        .into_iter()
        .find(|status| status.as_str() == text)
    }
}

/// Money of a payment on its way back, or gone back.
#[derive(Debug, Clone)]
pub struct Refund {
    /// Its id, which is also the idempotency key at the provider.
    pub id: Uuid,
    /// The payment.
    pub payment_id: Uuid,
    /// The payment's organisation.
    pub organization_id: Uuid,
    /// How much.
    pub price: Money,
    /// How.
    pub method: Method,
    /// Where it stands.
    pub status: RefundStatus,
    /// Why, in words.
    pub reason: String,
    /// Who asked for it.
    pub requested_by: Uuid,
    /// Who approved or rejected it; never the same person.
    pub decided_by: Option<Uuid>,
    /// The provider's slug.
    pub provider: String,
    /// The provider's id of the refund, or the desk's reference.
    pub provider_reference: Option<String>,
    /// Why it failed or was rejected.
    pub failure_reason: Option<String>,
    /// The transfer that set the money aside.
    pub hold_transfer_id: Uuid,
    /// How often the provider was asked in vain.
    pub checks: i32,
    /// When it was asked for.
    pub created_at: DateTime<Utc>,
    /// When it ended with money gone back.
    pub completed_at: Option<DateTime<Utc>>,
}

/// When the provider is asked again after `checks` vain questions: at most five minutes later, so
/// that an unknown refund is settled soon after the fault ends (Q-M7).
pub(super) fn next_check(checks: i32, now: DateTime<Utc>) -> DateTime<Utc> {
    let pauses = [5, 15, 30, 60, 120, 300];
    let at = usize::try_from(checks).unwrap_or(0).min(pauses.len() - 1);
    now + TimeDelta::seconds(pauses[at])
}
