//! What every handler and worker needs, built once and cloned cheaply.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use common_types::SharedClock;
use file_store::FileStore;
use service_auth::{Hasher, InternalClient, Sealer, Verifier};
use service_db::Db;
use service_events::Outbox;

use crate::{session::KeyRing, settings::Settings};

/// The name under which portal emits events and seals values.
pub(crate) const SERVICE: &str = "portal";

/// Shared state; see the fields.
#[derive(Clone)]
pub struct AppState {
    pub(crate) db: Db,
    pub(crate) outbox: Outbox,
    pub(crate) clock: SharedClock,
    pub(crate) settings: Arc<Settings>,
    pub(crate) verifier: Verifier,
    pub(crate) hasher: Hasher,
    pub(crate) sealer: Sealer,
    pub(crate) keys: KeyRing,
    pub(crate) files: FileStore,
    pub(crate) integrations: InternalClient,
    pub(crate) identity_revocations: InternalClient,
}

impl std::fmt::Debug for AppState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AppState").finish_non_exhaustive()
    }
}

impl AppState {
    pub(crate) fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    /// The platform's address in links, without a final slash.
    pub(crate) fn public_url(&self) -> &str {
        self.settings.server.public_url.trim_end_matches('/')
    }
}
