use std::marker::PhantomData;

use async_trait::async_trait;
use common_types::events::{Envelope, Event};
use diesel_async::AsyncPgConnection;
use service_db::DbError;

/// Why an event was not applied.
#[derive(Debug, thiserror::Error)]
pub enum HandlerError {
    /// It may work later: tried again with growing pauses, then kept as a dead letter.
    #[error("{0:#}")]
    Retry(anyhow::Error),
    /// It can never work: kept as a dead letter at once.
    #[error("{0}")]
    Poison(String),
}

impl From<diesel::result::Error> for HandlerError {
    fn from(error: diesel::result::Error) -> Self {
        Self::Retry(DbError::Query(error).into())
    }
}

impl From<DbError> for HandlerError {
    fn from(error: DbError) -> Self {
        Self::Retry(error.into())
    }
}

impl From<anyhow::Error> for HandlerError {
    fn from(error: anyhow::Error) -> Self {
        Self::Retry(error)
    }
}

impl From<serde_json::Error> for HandlerError {
    fn from(error: serde_json::Error) -> Self {
        Self::Poison(error.to_string())
    }
}

/// Applies one kind of event.
///
/// Runs inside the transaction that also holds the inbox row: what it writes through `conn`
/// happens exactly once per event. It must not call the network; it writes rows, and a worker loop
/// makes the calls. It may be run again when PostgreSQL aborts the transaction.
#[async_trait]
pub trait EventHandler<E: Event>: Send + Sync + 'static {
    /// Applies `event`.
    ///
    /// # Errors
    /// [`HandlerError::Retry`] for what may pass, [`HandlerError::Poison`] for what never will.
    async fn handle(
        &self,
        conn: &mut AsyncPgConnection,
        envelope: &Envelope,
        event: E,
    ) -> Result<(), HandlerError>;
}

/// A handler whose event type is known only to itself.
#[async_trait]
pub(crate) trait ErasedHandler: Send + Sync {
    async fn apply(
        &self,
        conn: &mut AsyncPgConnection,
        envelope: &Envelope,
    ) -> Result<(), HandlerError>;
}

pub(crate) struct Typed<E, H> {
    handler: H,
    event: PhantomData<fn() -> E>,
}

impl<E, H> Typed<E, H> {
    pub(crate) fn new(handler: H) -> Self {
        Self {
            handler,
            event: PhantomData,
        }
    }
}

#[async_trait]
impl<E, H> ErasedHandler for Typed<E, H>
where
    E: Event + 'static,
    H: EventHandler<E>,
{
    async fn apply(
        &self,
        conn: &mut AsyncPgConnection,
        envelope: &Envelope,
    ) -> Result<(), HandlerError> {
        let event: E = serde_json::from_value(envelope.payload.clone()).map_err(|error| {
            HandlerError::Poison(format!("{} v{}: {error}", envelope.name, envelope.version))
        })?;
        self.handler.handle(conn, envelope, event).await
    }
}
