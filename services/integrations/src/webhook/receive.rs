//! Taking a webhook in, and taking a stored one again.

use common_types::events::integrations::WebhookReceived;
use diesel_async::AsyncPgConnection;
use serde_json::{Map, Value};
use service_auth::tokens::sha256_hex;
use service_events::outbox;
use uuid::Uuid;

use super::{
    error::WebhookError,
    event_store::{self, NewEvent, StoredEvent},
    model::{self, Parsed, SignatureHeaders, Tolerance},
    store::{self, Endpoint},
};
use crate::{AppState, state::SERVICE};

/// A request to the receiver.
pub(crate) struct Incoming {
    pub(crate) headers: SignatureHeaders,
    /// Kept for people who look into it: only harmless ones.
    pub(crate) shown_headers: Map<String, Value>,
    pub(crate) body: Vec<u8>,
    pub(crate) source_ip: String,
}

/// Finds the endpoint of an address.
pub(crate) async fn endpoint(state: &AppState, url: &str) -> Result<Endpoint, WebhookError> {
    state.ready().await?;
    let mut conn = state.stack.db.get().await?;
    store::find_active_endpoint(&mut conn, url)
        .await?
        .ok_or(WebhookError::UnknownEndpoint)
}

/// Authenticates, stores and announces one webhook. A copy of a known one changes nothing and is no error.
pub(crate) async fn receive(
    state: &AppState,
    endpoint: &Endpoint,
    incoming: Incoming,
) -> Result<(), WebhookError> {
    let secret = state.open(
        "webhook_endpoints",
        endpoint.id,
        "secret_sealed",
        &endpoint.secret_sealed,
    )?;
    let settings = &state.settings.webhooks;
    let tolerance = Tolerance {
        past: settings.tolerance_past_seconds,
        future: settings.tolerance_future_seconds,
    };
    let now = state.now();
    let header_id = match model::verify(
        &secret,
        &incoming.headers,
        &incoming.body,
        now.timestamp(),
        tolerance,
    ) {
        Ok(id) => id,
        Err(refusal) => {
            quarantine(state, endpoint, &incoming, refusal.as_str()).await?;
            return Err(WebhookError::BadSignature(refusal));
        }
    };
    let json: Result<Value, _> = serde_json::from_slice(&incoming.body);
    let parsed = json.as_ref().ok().and_then(model::parse);
    let refusal = match (&json, &parsed) {
        (Err(error), _) => Some(WebhookError::NotJson(error.to_string())),
        (Ok(_), None) => Some(WebhookError::NotAnObject),
        (Ok(_), Some(parsed)) if !endpoint.events.contains(&parsed.event_type) => {
            Some(WebhookError::NotConfigured(parsed.event_type.clone()))
        }
        (Ok(_), Some(_)) => None,
    };
    let new = NewEvent {
        id: Uuid::now_v7(),
        endpoint_id: endpoint.id,
        organization_id: endpoint.organization_id,
        dedupe_key: model::dedupe_key(header_id.as_deref(), parsed.as_ref(), &incoming.body),
        event_type: parsed
            .as_ref()
            .map_or_else(|| "unknown".to_owned(), |parsed| parsed.event_type.clone()),
        raw_body: incoming.body,
        headers: Value::Object(incoming.shown_headers),
        signature: incoming
            .headers
            .x_signature
            .or(incoming.headers.signatures)
            .unwrap_or_default(),
        is_valid: true,
        error_message: refusal.as_ref().map(error_message).unwrap_or_default(),
        received_at: now,
    };
    let accepted = parsed.filter(|_| refusal.is_none());
    state
        .stack
        .db
        .transaction(async |conn| {
            let (event, _) = event_store::insert_or_lock_event(conn, new.clone()).await?;
            // A copy of what could not be taken before is taken now, when the endpoint has learnt its event.
            if let Some(parsed) = &accepted
                && !event.is_processed
            {
                hand_on(conn, state, endpoint, &event, parsed, false).await?;
            }
            Ok::<_, WebhookError>(())
        })
        .await?;
    state.stack.outbox.wake();
    metrics::counter!("integrations_webhooks_total", "endpoint" => endpoint.endpoint_url.clone())
        .increment(1);
    refusal.map_or(Ok(()), Err)
}

/// What the list shows about a stored event that was not handed on.
fn error_message(refusal: &WebhookError) -> String {
    match refusal {
        WebhookError::NotConfigured(event) => {
            format!("Event type {event} not configured for this webhook")
        }
        other => other.to_string(),
    }
}

async fn hand_on(
    conn: &mut AsyncPgConnection,
    state: &AppState,
    endpoint: &Endpoint,
    event: &StoredEvent,
    parsed: &Parsed,
    retried: bool,
) -> Result<(), WebhookError> {
    let now = state.now();
    let version = event_store::update_processed(conn, event.id, retried, now).await?;
    let announced = WebhookReceived {
        webhook_event_id: event.id,
        aggregate_version: version,
        organization_id: endpoint.organization_id,
        endpoint: endpoint.endpoint_url.clone(),
        provider_slug: endpoint.provider_slug.clone(),
        event_type: parsed.event_type.clone(),
        provider_reference: parsed.provider_reference.clone(),
        order_reference: parsed.order_reference.clone(),
        received_at: event.received_at,
    };
    outbox::emit(conn, SERVICE, &announced, now).await?;
    Ok(())
}

async fn quarantine(
    state: &AppState,
    endpoint: &Endpoint,
    incoming: &Incoming,
    reason: &'static str,
) -> Result<(), WebhookError> {
    metrics::counter!("integrations_webhooks_refused_total", "reason" => reason.to_owned())
        .increment(1);
    tracing::warn!(endpoint = %endpoint.endpoint_url, reason, "a webhook was refused");
    let body = &incoming.body;
    let rejection = event_store::NewRejection {
        id: Uuid::now_v7(),
        endpoint_id: endpoint.id,
        reason,
        body_sha256: hex::decode(sha256_hex(body)).unwrap_or_default(),
        body_size: i64::try_from(body.len()).unwrap_or(i64::MAX),
        body_sample: body[..body.len().min(1_024)].to_vec(),
        source_ip: Some(incoming.source_ip.clone()),
        received_at: state.now(),
    };
    let mut conn = state.stack.db.get().await?;
    event_store::insert_rejection(&mut conn, rejection, state.settings.webhooks.quarantine_cap)
        .await?;
    Ok(())
}

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

/// Takes a stored event again.
pub(crate) async fn retry(
    state: &AppState,
    id: Uuid,
    organization: Option<Uuid>,
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
            if event.is_processed {
                return Ok(Retried::AlreadyProcessed);
            }
            if !event.is_valid {
                return Ok(Retried::Invalid);
            }
            let parsed = serde_json::from_slice(&event.raw_body)
                .ok()
                .as_ref()
                .and_then(model::parse);
            match parsed {
                Some(parsed) if endpoint.events.contains(&parsed.event_type) => {
                    hand_on(conn, state, &endpoint, &event, &parsed, true).await?;
                    let message = "Retry completed".to_owned();
                    Ok(Retried::Done {
                        success: true,
                        message,
                        retry_count: event.retry_count + 1,
                    })
                }
                other => {
                    let refusal = other.map_or(WebhookError::NotAnObject, |parsed| {
                        WebhookError::NotConfigured(parsed.event_type)
                    });
                    let message = error_message(&refusal);
                    let retry_count = event_store::update_failed(conn, id, &message).await?;
                    Ok(Retried::Done {
                        success: false,
                        message,
                        retry_count,
                    })
                }
            }
        })
        .await?;
    state.stack.outbox.wake();
    Ok(outcome)
}
