//! Payment providers: one trait, one folder per vendor.
//!
//! A provider's word is asked for, never taken from a webhook or a browser: [`PaymentProvider::status`]
//! is the only thing that moves money. A call that was not answered is [`ProviderError::Unknown`],
//! which is neither success nor failure.

mod credentials;
pub mod medogram;
pub mod sandbox;

use std::{collections::HashMap, sync::Arc, time::Duration};

use async_trait::async_trait;
use common_types::Money;
use service_http::Stack;
use uuid::Uuid;

pub use credentials::Credential;

use crate::Settings;

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

    /// Asks what became of a payment. `hints` are the numbers that browsers brought along; a
    /// provider may need one to find the payment, and believes none.
    ///
    /// # Errors
    /// See [`ProviderError`].
    async fn status(&self, reference: &str, hints: &[String]) -> Result<Report, ProviderError>;

    /// Looks for a payment that was opened although the answer was lost.
    ///
    /// # Errors
    /// See [`ProviderError`].
    async fn find(&self, order: Uuid) -> Result<Option<Opened>, ProviderError>;
}

/// The configured providers.
#[derive(Clone, Debug)]
pub struct Providers {
    all: Arc<HashMap<&'static str, Arc<dyn PaymentProvider>>>,
    default: Arc<dyn PaymentProvider>,
}

impl Providers {
    /// Builds the clients. The sandbox does not exist in production.
    ///
    /// # Errors
    /// When an HTTP client cannot be made, or the sandbox is asked for in production.
    pub fn new(settings: &Settings, stack: &Stack, return_url: &str) -> anyhow::Result<Self> {
        let http = reqwest::Client::builder()
            .timeout(TIMEOUT)
            .connect_timeout(CONNECT)
            .redirect(reqwest::redirect::Policy::none())
            .build()?;
        let integrations = stack.internal(&settings.peers.integrations);
        let gateway_key =
            Credential::new("medogram", settings.gateway.api_key.clone(), &integrations);
        let gateway: Arc<dyn PaymentProvider> = Arc::new(medogram::Medogram::new(
            http.clone(),
            &settings.gateway,
            gateway_key,
            return_url,
        ));
        let mut all = HashMap::from([(gateway.slug(), gateway.clone())]);
        let mut default = gateway;
        if !settings.environment.is_production() {
            let key = Credential::new("sandbox", settings.sandbox.api_key.clone(), &integrations);
            let base = match settings.sandbox.base_url.as_str() {
                "" => &settings.peers.simulators,
                base => base,
            };
            let sandbox: Arc<dyn PaymentProvider> =
                Arc::new(sandbox::Sandbox::new(http, base, key, return_url));
            all.insert(sandbox.slug(), sandbox.clone());
            if settings.uses_sandbox() {
                default = sandbox;
            }
        }
        anyhow::ensure!(
            !settings.environment.is_production() || default.slug() != sandbox::SLUG,
            "the sandbox moves no money and does not run in production"
        );
        Ok(Self {
            all: Arc::new(all),
            default,
        })
    }

    /// The one with which payments are started.
    pub fn default_provider(&self) -> Arc<dyn PaymentProvider> {
        self.default.clone()
    }

    /// The one with which a stored payment was started.
    pub fn get(&self, slug: &str) -> Option<Arc<dyn PaymentProvider>> {
        self.all.get(slug).cloned()
    }

    /// Our slug for a provider's slug in integrations.
    pub fn slug_of(&self, provider_slug: &str) -> Option<&'static str> {
        let known = match provider_slug {
            // The seed's name for "whatever gateway is configured" (Y05).
            "payment-gateway" => self.default.slug(),
            other => self.all.keys().copied().find(|slug| *slug == other)?,
        };
        Some(known)
    }
}

/// A failed call: whatever is not a clear answer is unknown.
pub(crate) fn unknown(error: reqwest::Error) -> ProviderError {
    ProviderError::Unknown(error.without_url().to_string())
}
