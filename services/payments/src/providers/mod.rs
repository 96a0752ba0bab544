//! Payment providers: one trait, one folder per vendor.
//!
//! A provider's word is asked for, never taken from a webhook or a browser: [`PaymentProvider::status`]
//! is the only thing that moves money. A call that was not answered is [`ProviderError::Unknown`],
//! which is neither success nor failure.

mod aftermath;
mod answers;
mod credentials;
mod give_back;
mod health;
pub mod medogram;
pub mod payping;
mod registry;
pub mod sandbox;
pub mod stripe;
mod stripe_sessions;
pub mod wave;
pub mod zarinpal;

use std::time::Duration;

use async_trait::async_trait;
use common_types::Money;
use uuid::Uuid;

pub use aftermath::{
    GivesBack, ListsSettlements, RefundOrder, RefundReport, RefundState, SettledLine,
};
pub use credentials::Credential;
pub use registry::Providers;

/// How long a provider may take to answer one call.
const TIMEOUT: Duration = Duration::from_secs(15);
/// How long a connection to it may take.
const CONNECT: Duration = Duration::from_secs(1);

/// What a provider must know to let somebody pay.
#[derive(Debug, Clone)]
pub struct Order {
    /// Our payment; the provider echoes it.
    pub id: Uuid,
    /// What is to be paid.
    pub price: Money,
    /// Shown to the payer.
    pub description: String,
}

/// A payment that the provider has opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opened {
    /// The provider's id.
    pub reference: String,
    /// Where the payer pays.
    pub payment_url: String,
}

/// A payment that a provider is asked about: our own row's words.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// Our payment.
    pub id: Uuid,
    /// The provider's id.
    pub reference: &'a str,
    /// What was to be paid.
    pub price: Money,
    /// Numbers that browsers brought along; a provider may need one to find the payment, and
    /// believes none.
    pub hints: &'a [String],
}

/// What the provider says of a payment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// What became of it.
    pub state: ReportedState,
    /// The amount it speaks of, when it names one.
    pub amount: Option<i64>,
    /// The currency it speaks of, when it names one.
    pub currency: Option<String>,
    /// Our id, as it echoes it, when it does.
    pub order_id: Option<String>,
    /// The bank's tracking number.
    pub tracking_code: Option<String>,
}

/// What became of a payment at the provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReportedState {
    /// Nobody has paid yet, or the provider cannot tell without a hint.
    Pending,
    /// Money was taken.
    Paid,
    /// It ended without money.
    Failed,
    /// The payer gave up.
    Cancelled,
    /// The provider let it lapse: nobody can pay it any more.
    Expired,
}

impl Report {
    /// A word without amount, currency, order or tracking number.
    #[must_use]
    pub fn bare(state: ReportedState) -> Self {
        Self {
            state,
            amount: None,
            currency: None,
            order_id: None,
            tracking_code: None,
        }
    }
}

/// Why a provider gave no answer that counts.
#[derive(Debug, thiserror::Error)]
pub enum ProviderError {
    /// It answered no; nothing happened.
    #[error("provider refused: {0}")]
    Refused(String),
    /// It did not answer, or not in its own words: the outcome is unknown.
    #[error("provider gave no answer: {0}")]
    Unknown(String),
}

/// A payment provider.
#[async_trait]
pub trait PaymentProvider: Send + Sync + std::fmt::Debug {
    /// Its name in the database and in events.
    fn slug(&self) -> &'static str;

    /// Opens a payment. Asked again with the same order, it opens no second one that could be paid
    /// unnoticed.
    ///
    /// # Errors
    /// See [`ProviderError`].
    async fn open(&self, order: &Order) -> Result<Opened, ProviderError>;

    /// Whether it takes this amount of this currency.
    fn accepts(&self, price: Money) -> bool;

    /// Asks what became of a payment.
    ///
    /// # Errors
    /// See [`ProviderError`].
    async fn status(&self, asked: Asked<'_>) -> Result<Report, ProviderError>;

    /// Looks for a payment that was opened although the answer was lost.
    ///
    /// # Errors
    /// See [`ProviderError`].
    async fn find(&self, order: &Order) -> Result<Option<Opened>, ProviderError>;

    /// Makes an unpaid payment unpayable, where the provider can. Does nothing where it cannot:
    /// money that arrives later is booked all the same.
    ///
    /// # Errors
    /// [`ProviderError::Refused`] when it can no longer be closed, because somebody has paid.
    async fn close(&self, _asked: Asked<'_>) -> Result<(), ProviderError> {
        Ok(())
    }

    /// How it gives money back, when it can.
    fn refunds(&self) -> Option<&dyn GivesBack> {
        None
    }

    /// How it lists what it settled, when it can.
    fn settlements(&self) -> Option<&dyn ListsSettlements> {
        None
    }
}

/// The page to which a payer of this order returns; vendors add their own words to it.
pub(crate) fn return_to(return_url: &str, slug: &str, order: Uuid) -> String {
    let order = order.to_string();
    match url::Url::parse(return_url) {
        Ok(mut url) => {
            url.query_pairs_mut()
                .append_pair("provider", slug)
                .append_pair("order_id", &order);
            url.into()
        }
        Err(_) => return_url.to_owned(),
    }
}

/// A failed call: whatever is not a clear answer is unknown.
pub(crate) fn unknown(error: reqwest::Error) -> ProviderError {
    ProviderError::Unknown(error.without_url().to_string())
}
