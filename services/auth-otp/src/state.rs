//! What handlers and jobs share: built once, cloned cheaply.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use service_auth::service_tokens::FetchedToken;
use service_auth::{Hasher, InternalClient, InternalError, Sealer, ServiceTokens};
use service_http::Stack;

use crate::key::KeyRing;
use crate::settings::Settings;
use crate::shield::Shield;

/// The state of one process.
#[derive(Clone)]
pub struct AppState {
    /// Database, Redis, broker, clock, verifier.
    pub stack: Stack,
    /// The settings.
    pub settings: Arc<Settings>,
    /// Signing keys.
    pub keys: KeyRing,
    /// Seals secrets at rest.
    pub sealer: Sealer,
    /// Password hashing.
    pub hasher: Hasher,
    /// `integrations`, which sends the SMS.
    pub messages: InternalClient,
    /// What is remembered of the shield.
    pub shield: Shield,
    started: Arc<AtomicBool>,
}

impl std::fmt::Debug for AppState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AppState")
            .field("stack", &self.stack)
            .finish_non_exhaustive()
    }
}

impl AppState {
    /// Builds the state; the database need not be there yet.
    ///
    /// # Errors
    /// When a sealing key cannot be used.
    pub fn build(settings: Settings, stack: Stack) -> anyhow::Result<Self> {
        let settings = Arc::new(settings);
        let sealer = Sealer::from_settings(&settings.sealing)?;
        let keys = KeyRing::new(
            stack.db.clone(),
            sealer.clone(),
            stack.clock.clone(),
            stack.verifier.clone(),
        )
        .with_schedule(settings.keys);
        let tokens = own_tokens(&keys, &settings, &stack);
        let messages = InternalClient::new(&settings.peers.integrations, tokens)
            .with_timeout(Duration::from_millis(settings.codes.send_timeout_ms));
        Ok(Self {
            stack,
            settings,
            keys,
            sealer,
            hasher: Hasher::default(),
            messages,
            shield: Shield::default(),
            started: Arc::default(),
        })
    }

    /// The time.
    #[must_use]
    pub fn now(&self) -> DateTime<Utc> {
        self.stack.clock.now()
    }

    /// Makes the first signing key and the first superuser in the background, trying until the database is there.
    pub fn start_once(&self) {
        if self.started.swap(true, Ordering::SeqCst) {
            return;
        }
        let state = self.clone();
        tokio::spawn(async move {
            while let Err(error) = crate::setup::first_start(&state).await {
                tracing::warn!(
                    error = format!("{error:#}"),
                    "the first start is not done yet"
                );
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        });
    }
}

/// This service signs its own service tokens instead of asking itself over HTTP.
fn own_tokens(keys: &KeyRing, settings: &Arc<Settings>, stack: &Stack) -> ServiceTokens {
    let (keys, settings, clock) = (keys.clone(), settings.clone(), stack.clock.clone());
    ServiceTokens::from_fn(stack.clock.clone(), move || {
        let (keys, settings, clock) = (keys.clone(), settings.clone(), clock.clone());
        async move {
            let now = clock.now();
            let signed = crate::client::sign_token(&keys, &settings, crate::SERVICE, now).await;
            let token = signed.map_err(|error| InternalError::Token(format!("{error:#}")))?;
            let lifetime = TimeDelta::seconds(settings.tokens.service_lifetime_seconds);
            Ok(FetchedToken {
                token: token.into(),
                expires_at: now + lifetime,
            })
        }
    })
}
