//! Taking a webhook in, and taking a stored one again.

use chrono::{DateTime, Utc};
use common_types::events::integrations::WebhookReceived;
use diesel_async::AsyncPgConnection;
use serde_json::{Map, Value};
use service_auth::tokens::sha256_hex;
use service_events::outbox;
use uuid::Uuid;

use super::{
    error::WebhookError,
    event_store::{self, NewEvent, StoredEvent},
    model::{self, Parsed, Tolerance},
    rejection_store,
    scheme::{self, Headers},
    store::{self, Endpoint},
};
use crate::{AppState, state::SERVICE};

/// A request to the receiver.
pub(crate) struct Incoming {
    pub(crate) headers: Headers,
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
    let settings = &state.settings.webhooks;
    let tolerance = Tolerance {
        past: endpoint
            .tolerance_seconds
            .map_or(settings.tolerance_past_seconds, i64::from),
        future: settings.tolerance_future_seconds,
    };
    let now = state.now();
    let scheme = endpoint.scheme()?;
    let verified = match scheme.verify(
        &secrets(state, endpoint)?,
        &incoming.headers,
        &incoming.body,
        now.timestamp(),
        tolerance,
    ) {
        Ok(verified) => verified,
        Err(refusal) => {
            quarantine(state, endpoint, &incoming, refusal.as_str()).await?;
            return Err(WebhookError::BadSignature(refusal));
        }
    };
    let json: Result<Value, _> = serde_json::from_slice(&incoming.body);
    let mut parsed = json.as_ref().ok().and_then(model::parse);
    let stated_outside = verified.event_type.is_some();
    if let (Some(parsed), Some(event_type)) = (&mut parsed, verified.event_type) {
        parsed.event_type = event_type;
    }
    let refusal = match (&json, &parsed) {
        (Err(error), _) => Some(WebhookError::NotJson(error.to_string())),
        (Ok(_), None) => Some(WebhookError::NotAnObject),
        (Ok(_), Some(parsed)) if !scheme::accepts(&endpoint.events, &parsed.event_type) => {
            Some(WebhookError::NotConfigured(parsed.event_type.clone()))
        }
        (Ok(_), Some(_)) => None,
    };
    let accepted = parsed.as_ref().filter(|_| refusal.is_none());
    let new = NewEvent {
        id: Uuid::now_v7(),
        endpoint_id: endpoint.id,
        organization_id: endpoint.organization_id,
        dedupe_key: if stated_outside {
            model::dedupe_key(None, None, &incoming.body)
        } else {
            model::dedupe_key(verified.id.as_deref(), parsed.as_ref(), &incoming.body)
        },
        event_type: parsed
            .as_ref()
            .map_or_else(|| "unknown".to_owned(), |parsed| parsed.event_type.clone()),
        raw_body: incoming.body,
        headers: Value::Object(incoming.shown_headers),
        signature: scheme
            .signature(&incoming.headers)
            .unwrap_or_default()
            .to_owned(),
        is_valid: true,
        error_message: refusal.as_ref().map(error_message).unwrap_or_default(),
        received_at: now,
        // Its endpoint may learn the type; a body that is no event will not become one.
        retry_at: matches!(refusal, Some(WebhookError::NotConfigured(_)))
            .then(|| now + model::retry_pause(0)),
        is_processed: false,
        processed_at: None,
        version: 1,
    };
    let new = match accepted {
        Some(_) => new.handed_on(now),
        None => new,
    };
    state
        .stack
        .db
        .transaction(async |conn| {
            let (event, is_new) = event_store::insert_or_lock_event(conn, new.clone()).await?;
            match accepted {
                Some(parsed) if is_new => {
                    let version = event_store::HANDED_ON;
                    announce(conn, endpoint, (&event, version), parsed, now).await?;
                }
                // A copy of what could not be taken before is taken now, when the endpoint has learnt its event.
                Some(parsed) if !event.is_processed => {
                    hand_on(conn, state, endpoint, &event, parsed, false).await?;
                }
                _ => {}
            }
            Ok::<_, WebhookError>(())
        })
        .await?;
    state.stack.outbox.wake();
    metrics::counter!("integrations_webhooks_total", "endpoint" => endpoint.endpoint_url.clone())
        .increment(1);
    refusal.map_or(Ok(()), Err)
}

/// The secrets that are good now, the current one first.
fn secrets(state: &AppState, endpoint: &Endpoint) -> anyhow::Result<Vec<String>> {
    let open = |column, sealed: &str| state.open("webhook_endpoints", endpoint.id, column, sealed);
    let mut all = vec![open("secret_sealed", &endpoint.secret_sealed)?];
    if let (Some(sealed), Some(until)) = (
        &endpoint.previous_secret_sealed,
        endpoint.previous_secret_until,
    ) && until > state.now()
    {
        all.push(open("previous_secret_sealed", sealed)?);
    }
    Ok(all)
}

/// What the list shows about a stored event that was not handed on.
pub(super) fn error_message(refusal: &WebhookError) -> String {
    match refusal {
        WebhookError::NotConfigured(event) => {
            format!("Event type {event} not configured for this webhook")
        }
        other => other.to_string(),
    }
}

pub(super) async fn hand_on(
    conn: &mut AsyncPgConnection,
    state: &AppState,
    endpoint: &Endpoint,
    event: &StoredEvent,
    parsed: &Parsed,
    retried: bool,
) -> Result<(), WebhookError> {
    let now = state.now();
    let version = event_store::update_processed(conn, event.id, retried, now).await?;
    announce(conn, endpoint, (event, version), parsed, now).await
}

/// Tells the platform of an event that is handed on.
pub(super) async fn announce(
    conn: &mut AsyncPgConnection,
    endpoint: &Endpoint,
    (event, version): (&StoredEvent, i64),
    parsed: &Parsed,
    now: DateTime<Utc>,
) -> Result<(), WebhookError> {
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
    let rejection = rejection_store::NewRejection {
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
    rejection_store::insert_rejection(&mut conn, rejection, state.settings.webhooks.quarantine_cap)
        .await?;
    Ok(())
}
