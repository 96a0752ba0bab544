//! The fate of a code's message, as integrations tells it.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use common_types::Envelope;
use common_types::events::integrations::{MessageDelivered, MessageFailed};
use diesel_async::AsyncPgConnection;
use service_events::{EventHandler, HandlerError};
use uuid::Uuid;

use super::store;

/// What messages of codes are called there.
const PURPOSE: &str = "otp";

/// Notes that a code reached its phone.
pub(crate) struct NoteDelivered;

/// Notes that a code will not reach its phone, and ends its cooldown.
pub(crate) struct NoteFailed;

#[async_trait]
impl EventHandler<MessageDelivered> for NoteDelivered {
    async fn handle(
        &self,
        conn: &mut AsyncPgConnection,
        _: &Envelope,
        event: MessageDelivered,
    ) -> Result<(), HandlerError> {
        note(
            conn,
            &event.purpose,
            event.reference,
            true,
            event.delivered_at,
        )
        .await
    }
}

#[async_trait]
impl EventHandler<MessageFailed> for NoteFailed {
    async fn handle(
        &self,
        conn: &mut AsyncPgConnection,
        _: &Envelope,
        event: MessageFailed,
    ) -> Result<(), HandlerError> {
        note(
            conn,
            &event.purpose,
            event.reference,
            false,
            event.failed_at,
        )
        .await
    }
}

/// Other services' codes and other messages have other references; they change nothing here.
async fn note(
    conn: &mut AsyncPgConnection,
    purpose: &str,
    reference: Option<String>,
    delivered: bool,
    at: DateTime<Utc>,
) -> Result<(), HandlerError> {
    let id = reference
        .filter(|_| purpose == PURPOSE)
        .and_then(|reference| Uuid::parse_str(&reference).ok());
    if let Some(id) = id {
        store::update_delivery(conn, id, delivered, at).await?;
    }
    Ok(())
}
