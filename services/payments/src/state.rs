//! What handlers, consumers and jobs share.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use service_auth::InternalClient;
use service_http::Stack;
use url::Url;

use crate::{
    Settings,
    providers::{PaymentProvider, Providers},
    settings::Rules,
};

/// Built once per process, cloned cheaply.
#[derive(Clone, Debug)]
pub struct AppState {
    /// Database, broker, clock, verifier.
    pub stack: Stack,
    /// Amounts, times, limits.
    pub rules: Arc<Rules>,
    /// The payment providers by slug.
    pub providers: Providers,
    /// The internal routes of portal, which owns invoices.
    pub portal: Arc<InternalClient>,
    /// Where the payer's browser returns to.
    pub return_url: Arc<str>,
}

impl AppState {
    /// Builds the state over a stack.
    ///
    /// # Errors
    /// When a provider's client cannot be made.
    pub fn new(settings: Settings, stack: Stack) -> anyhow::Result<Self> {
        let public = settings.server.public_url.trim_end_matches('/');
        let return_url = format!("{public}/api/v1/payments/return/");
        let providers = Providers::new(&settings, &stack, &return_url)?;
        Ok(Self {
            portal: Arc::new(stack.internal(&settings.peers.portal)),
            rules: Arc::new(settings.rules),
            providers,
            return_url: return_url.into(),
            stack,
        })
    }

    /// The present moment.
    pub fn now(&self) -> DateTime<Utc> {
        self.stack.clock.now()
    }

    /// The provider with which new payments are started.
    pub fn default_provider(&self) -> Arc<dyn PaymentProvider> {
        self.providers.default_provider()
    }

    /// Whether a payer may be sent to this address after paying: our own pages and the listed
    /// origins, nothing else.
    pub fn may_return_to(&self, address: &str) -> bool {
        let Ok(url) = Url::parse(address) else {
            return false;
        };
        if !matches!(url.scheme(), "http" | "https") || !url.username().is_empty() {
            return false;
        }
        let listed = self
            .rules
            .return_origins
            .iter()
            .filter_map(|origin| Url::parse(origin).ok());
        self.stack
            .origins
            .iter()
            .cloned()
            .chain(listed)
            .any(|own| own.origin() == url.origin())
    }
}
