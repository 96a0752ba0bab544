//! What handlers and jobs share.

use std::{sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use service_auth::InternalClient;
use service_http::Stack;

use crate::{GenerationSettings, Settings, UsageSettings};

/// Built once per process, cloned cheaply.
#[derive(Clone, Debug)]
pub struct AppState {
    /// Database, broker, clock, verifier.
    pub stack: Stack,
    /// How texts are generated.
    pub generation: GenerationSettings,
    /// How usage is counted.
    pub usage: UsageSettings,
    /// The internal routes of integrations, which makes every AI call.
    pub integrations: Arc<InternalClient>,
}

impl AppState {
    /// Builds the state over a stack.
    #[must_use]
    pub fn new(settings: &Settings, stack: Stack) -> Self {
        let integrations = stack
            .internal(&settings.peers.integrations)
            .with_timeout(Duration::from_secs(settings.generation.timeout_seconds));
        Self {
            generation: settings.generation,
            usage: settings.usage,
            integrations: Arc::new(integrations),
            stack,
        }
    }

    /// The present by the service's clock.
    #[must_use]
    pub fn now(&self) -> DateTime<Utc> {
        self.stack.clock.now()
    }
}
