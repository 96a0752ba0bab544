//! What is posted because somebody asked for it: what was missed, an example, one message again.

use chrono::{DateTime, Utc};
use serde_json::json;
use service_audit::record;
use service_http::text;
use uuid::Uuid;

use super::{
    catalogue,
    error::OutgoingError,
    event_type, event_type_store,
    service::{self, owned},
    store::{self, NewMessage},
    wanted::invalid,
    words,
};
use crate::{AppState, actor::Actor};

/// Queues every failed delivery since a time again; answers how many.
///
/// # Errors
/// [`OutgoingError`].
pub(crate) async fn recover(
    state: &AppState,
    actor: &Actor,
    id: Uuid,
    since: DateTime<Utc>,
    until: Option<DateTime<Utc>>,
) -> Result<usize, OutgoingError> {
    let owner = actor.owner()?;
    let now = state.now();
    if until.is_some_and(|until| until <= since) {
        return Err(invalid("until", words::not_later()));
    }
    state
        .stack
        .db
        .transaction(async |conn| {
            let row = owned(conn, owner, id).await?;
            if !row.is_active {
                return Err(OutgoingError::Disabled);
            }
            let count = store::recover_deliveries(conn, id, since, until, now).await?;
            let audit = service::audit(actor, "integrations.endpoint_recovered", &row, now);
            record(
                conn,
                audit.details(json!({"since": since, "until": until, "deliveries": count})),
            )
            .await?;
            Ok(count)
        })
        .await
}

/// Queues an example of a type for one endpoint, whatever it subscribes to; answers the message's id.
///
/// # Errors
/// [`OutgoingError`].
pub(crate) async fn send_example(
    state: &AppState,
    actor: &Actor,
    id: Uuid,
    event_type: &str,
) -> Result<Uuid, OutgoingError> {
    let owner = actor.owner()?;
    let (now, message_id) = (state.now(), Uuid::now_v7());
    state
        .stack
        .db
        .transaction(async |conn| {
            let row = owned(conn, owner, id).await?;
            if !event_type::is_known(event_type)
                && !event_type_store::is_event_type(conn, row.organization_id, event_type).await?
            {
                return Err(invalid("event_type", text::not_a_choice(event_type)));
            }
            if !row.is_active {
                return Err(OutgoingError::Disabled);
            }
            let message = NewMessage {
                id: message_id,
                organization_id: row.organization_id,
                event_type: event_type.to_owned(),
                source_event_id: None,
                ordering_key: "example".to_owned(),
                data: catalogue::example_of(event_type),
                occurred_at: now,
                created_at: now,
            };
            store::insert_message(conn, message).await?;
            store::insert_delivery(conn, message_id, "example", id, true, now).await?;
            record(
                conn,
                service::audit(actor, "integrations.endpoint_tested", &row, now),
            )
            .await?;
            Ok(message_id)
        })
        .await
}

/// Queues one message for one endpoint again, also when it had arrived, or for the first time.
///
/// # Errors
/// [`OutgoingError`].
pub(crate) async fn resend(
    state: &AppState,
    actor: &Actor,
    message_id: Uuid,
    endpoint_id: Uuid,
) -> Result<(), OutgoingError> {
    let owner = actor.owner()?;
    let now = state.now();
    state
        .stack
        .db
        .transaction(async |conn| {
            let row = owned(conn, owner, endpoint_id).await?;
            let message = super::message_store::find_message(conn, owner, message_id)
                .await?
                .filter(|message| message.organization_id == row.organization_id)
                .ok_or(OutgoingError::Missing("WebhookMessage"))?;
            if !row.is_active {
                return Err(OutgoingError::Disabled);
            }
            if !store::restart_delivery(conn, message_id, endpoint_id, now).await? {
                store::insert_delivery(
                    conn,
                    message_id,
                    &message.ordering_key,
                    endpoint_id,
                    true,
                    now,
                )
                .await?;
            }
            let audit = service::audit(actor, "integrations.message_resent", &row, now);
            record(conn, audit.details(json!({"message_id": message_id}))).await?;
            Ok(())
        })
        .await
}
