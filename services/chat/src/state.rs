//! What handlers, sockets and jobs share.

use std::sync::Arc;

use file_store::FileStore;
use service_auth::InternalClient;
use service_config::Secret;
use service_http::Stack;

use crate::{Settings, SocketSettings, socket::Hub};

/// Built once per process, cloned cheaply.
#[derive(Clone, Debug)]
pub struct AppState {
    /// Database, broker, clock, verifier.
    pub(crate) stack: Stack,
    /// Where Redis is, for the subscription of sockets.
    pub(crate) redis_url: Secret,
    /// Files sent in rooms.
    pub(crate) files: FileStore,
    /// Bounds of sockets.
    pub(crate) socket: SocketSettings,
    /// The open sockets of this process.
    pub(crate) hub: Hub,
    /// The internal routes of integrations, where summaries are made.
    pub(crate) integrations: Arc<InternalClient>,
}

impl AppState {
    /// Builds the state over a stack.
    ///
    /// # Errors
    /// When the settings make no file store.
    pub fn new(settings: &Settings, stack: Stack) -> anyhow::Result<Self> {
        Ok(Self {
            redis_url: settings.redis.url.clone(),
            files: FileStore::new(&settings.files, &settings.sealing)?,
            socket: settings.socket,
            hub: Hub::new(settings.socket.max_per_user),
            integrations: Arc::new(
                stack
                    .internal(&settings.peers.integrations)
                    .with_timeout(crate::summary::CALL_TIMEOUT),
            ),
            stack,
        })
    }
}
