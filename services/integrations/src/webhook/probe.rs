//! Events of the type `test`: whether an endpoint would hand on what its sender posts.

use serde_json::json;
use service_audit::record;
use uuid::Uuid;

use super::{
    error::WebhookError,
    event_store::{self, NewEvent},
    model,
    receive::announce,
    scheme::accepts,
    service, store,
};
use crate::{AppState, actor::Actor};

/// What came of a test.
pub(crate) enum Tested {
    /// It was handed on.
    Done(Uuid),
    /// The endpoint does not take the type `test`.
    NotConfigured(Uuid),
}

/// Lets an endpoint receive an event of the type `test`, as if its sender had posted it.
///
/// # Errors
/// 404 as [`WebhookError::UnknownEndpoint`], or the database refuses.
pub(crate) async fn test(
    state: &AppState,
    actor: &Actor,
    id: Uuid,
) -> Result<Tested, WebhookError> {
    let (now, organization, event_id) = (state.now(), actor.organization(), Uuid::now_v7());
    let body = json!({"event": "test", "id": event_id, "data": {}});
    let raw_body = body.to_string().into_bytes();
    let audit = service::audit(actor, "integrations.webhook_tested", id, now);
    let tested = state
        .stack
        .db
        .transaction(async |conn| {
            let endpoint = store::lock_endpoint(conn, organization, id)
                .await?
                .ok_or(WebhookError::UnknownEndpoint)?;
            record(conn, audit.clone()).await?;
            let parsed = model::parse(&body).ok_or(WebhookError::NotAnObject)?;
            let taken = accepts(&endpoint.events, "test");
            let new = NewEvent {
                id: event_id,
                endpoint_id: id,
                organization_id: endpoint.organization_id,
                dedupe_key: model::dedupe_key(None, Some(&parsed), &raw_body),
                event_type: "test".to_owned(),
                raw_body: raw_body.clone(),
                headers: json!({}),
                signature: String::new(),
                is_valid: true,
                error_message: if taken {
                    String::new()
                } else {
                    "Event type test not configured for this webhook".to_owned()
                },
                received_at: now,
                retry_at: None,
                is_processed: false,
                processed_at: None,
                version: 1,
            };
            if !taken {
                event_store::insert_or_lock_event(conn, new).await?;
                return Ok::<_, WebhookError>(Tested::NotConfigured(event_id));
            }
            let (event, _) = event_store::insert_or_lock_event(conn, new.handed_on(now)).await?;
            let told = (&event, event_store::HANDED_ON);
            announce(conn, &endpoint, told, &parsed, now).await?;
            Ok(Tested::Done(event_id))
        })
        .await?;
    state.stack.outbox.wake();
    Ok(tested)
}
