//! What handlers, consumers and jobs share.

use std::{sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use service_auth::InternalClient;
use service_http::Stack;
use url::Url;

use crate::{Settings, providers::Providers, settings::Rules, wallet::WalletLanes};

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
    /// The internal routes of auth-otp, which knows whose payouts wait.
    pub auth_otp: Arc<InternalClient>,
    /// The internal routes of integrations, which sends messages.
    pub integrations: Arc<InternalClient>,
    /// Who is told of money that differs.
    pub alarm_recipients: Arc<[String]>,
    /// How often our books and today's lists are looked at.
    pub look_every: Duration,
    /// Where the payer's browser returns to.
    pub return_url: Arc<str>,
    /// The wallets that are being spent from.
    pub lanes: WalletLanes,
}

impl AppState {
    /// Builds the state over a stack.
    ///
    /// # Errors
    /// When a provider's client cannot be made.
    pub fn new(settings: Settings, stack: Stack) -> anyhow::Result<Self> {
        anyhow::ensure!(
            !(settings.environment.is_production() && service_db::crash::armed()),
            "{} kills this process on purpose and is not for production",
            service_db::crash::VARIABLE
        );
        let public = settings.server.public_url.trim_end_matches('/');
        let return_url = format!("{public}/api/v1/payments/return/");
        let providers = Providers::new(&settings, &stack, &return_url)?;
        Ok(Self {
            portal: Arc::new(stack.internal(&settings.peers.portal)),
            auth_otp: Arc::new(stack.internal(&settings.peers.auth_otp)),
            integrations: Arc::new(stack.internal(&settings.peers.integrations)),
            alarm_recipients: settings.reconciliation.alarm_recipients.into(),
            look_every: Duration::from_secs(settings.reconciliation.every_seconds),
            rules: Arc::new(settings.rules),
            providers,
            return_url: return_url.into(),
            lanes: WalletLanes::default(),
            stack,
        })
    }

    /// The present moment.
    pub fn now(&self) -> DateTime<Utc> {
        self.stack.clock.now()
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
