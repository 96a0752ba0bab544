//! What integrations says became of a message.

use async_trait::async_trait;
use common_types::events::{
    Envelope,
    integrations::{MessageDelivered, MessageFailed},
};
use diesel_async::AsyncPgConnection;
use service_events::{EventHandler, HandlerError};

use super::store;

/// Notes delivery and failure beside the message's row; other services' messages are not portal's.
#[derive(Debug, Clone, Copy)]
pub(crate) struct NoteOutcome;

#[async_trait]
impl EventHandler<MessageDelivered> for NoteOutcome {
    async fn handle(
        &self,
        conn: &mut AsyncPgConnection,
        _: &Envelope,
        event: MessageDelivered,
    ) -> Result<(), HandlerError> {
        if let Some(reference) = &event.reference {
            store::note_delivered(conn, reference, event.delivered_at).await?;
        }
        Ok(())
    }
}

#[async_trait]
impl EventHandler<MessageFailed> for NoteOutcome {
    async fn handle(
        &self,
        conn: &mut AsyncPgConnection,
        _: &Envelope,
        event: MessageFailed,
    ) -> Result<(), HandlerError> {
        if let Some(reference) = &event.reference {
            store::note_failed(conn, reference, event.failed_at).await?;
        }
        Ok(())
    }
}
