//! A second look at stored events: by staff, and by the worker for those whose endpoint did not take their type.

use diesel_async::AsyncPgConnection;
use serde_json::Value;
use uuid::Uuid;

use super::{
    error::WebhookError,
    event_store::{self, StoredEvent},
    model::{self, Parsed},
    receive::{error_message, hand_on},
    scheme,
    store::{self, Endpoint},
};
use crate::AppState;

/// Events looked at in one run of the job.
const BATCH: i64 = 100;

/// What came of a second look at a stored event.
pub(crate) enum Retried {
    /// No such event here.
    Missing,
    /// It was handed on before.
    AlreadyProcessed,
    /// Its signature was bad.
    Invalid,
    /// Done, with the number of retries.
    Done {
        success: bool,
        message: String,
        retry_count: i32,
    },
}

fn parsed(event: &StoredEvent) -> Option<Parsed> {
    let body: Value = serde_json::from_slice(&event.raw_body).ok()?;
    let mut parsed = model::parse(&body)?;
    // The type may have come in a header.
    parsed.event_type.clone_from(&event.event_type);
    Some(parsed)
}

/// Takes a stored event again. `replay` hands it on although that was done before: whoever hears it asks the provider
/// again.
///
/// # Errors
/// [`WebhookError::Unexpected`].
pub(crate) async fn retry(
    state: &AppState,
    id: Uuid,
    organization: Option<Uuid>,
    replay: bool,
) -> Result<Retried, WebhookError> {
    let outcome = state
        .stack
        .db
        .transaction(async |conn| {
            let Some(event) = event_store::lock_event(conn, id).await? else {
                return Ok::<_, WebhookError>(Retried::Missing);
            };
            let endpoint = store::get_endpoint(conn, event.endpoint_id).await?;
            if organization.is_some() && endpoint.organization_id != organization {
                return Ok(Retried::Missing);
            }
            if event.is_processed && !replay {
                return Ok(Retried::AlreadyProcessed);
            }
            if !event.is_valid {
                return Ok(Retried::Invalid);
            }
            again(conn, state, &endpoint, &event).await
        })
        .await?;
    state.stack.outbox.wake();
    Ok(outcome)
}

async fn again(
    conn: &mut AsyncPgConnection,
    state: &AppState,
    endpoint: &Endpoint,
    event: &StoredEvent,
) -> Result<Retried, WebhookError> {
    match parsed(event) {
        Some(parsed) if scheme::accepts(&endpoint.events, &parsed.event_type) => {
            hand_on(conn, state, endpoint, event, &parsed, true).await?;
            Ok(Retried::Done {
                success: true,
                message: "Retry completed".to_owned(),
                retry_count: event.retry_count + 1,
            })
        }
        other => {
            let refusal = other.map_or(WebhookError::NotAnObject, |parsed| {
                WebhookError::NotConfigured(parsed.event_type)
            });
            let message = error_message(&refusal);
            let tried = event.retry_count + 1;
            let next =
                (tried < endpoint.retry_count).then(|| state.now() + model::retry_pause(tried));
            let retry_count = event_store::update_failed(conn, event.id, &message, next).await?;
            Ok(Retried::Done {
                success: false,
                message,
                retry_count,
            })
        }
    }
}

/// Looks again at what is due.
///
/// # Errors
/// When the database does not answer.
pub(crate) async fn run_due(state: &AppState) -> anyhow::Result<()> {
    let mut conn = state.stack.db.get().await?;
    let due = event_store::list_due(&mut conn, state.now(), BATCH).await?;
    drop(conn);
    for id in due {
        if let Err(error) = retry(state, id, None, false).await {
            tracing::warn!(event = %id, %error, "a webhook could not be looked at again");
        }
    }
    Ok(())
}
