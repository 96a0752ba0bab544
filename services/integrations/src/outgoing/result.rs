//! What a try changes: its delivery, and the endpoint's health.

use common_types::events::integrations::WebhookEndpointDisabled;
use diesel_async::AsyncPgConnection;
use service_db::DbError;
use service_events::outbox;

use super::{
    client::Posted,
    endpoint_store::{self, EndpointChange, EndpointRow},
    model,
    store::{self, Job},
};
use crate::{
    AppState,
    log::store::{NewLog, insert_log},
    state::SERVICE,
};

/// Records a try in one transaction. `jitter` in 0..1.
pub(crate) async fn apply(
    state: &AppState,
    job: &Job,
    posted: Posted,
    jitter: f64,
) -> Result<(), DbError> {
    let disabled = state
        .stack
        .db
        .transaction(async |conn| match posted.attempt.error {
            None => succeed(conn, state, job, posted).await.map(|()| false),
            Some(_) => fail(conn, state, job, posted, jitter).await,
        })
        .await?;
    if disabled {
        state.stack.outbox.wake();
    }
    Ok(())
}

async fn succeed(
    conn: &mut AsyncPgConnection,
    state: &AppState,
    job: &Job,
    posted: Posted,
) -> Result<(), DbError> {
    let now = state.now();
    store::finish_attempt(conn, job, posted.attempt, None, now).await?;
    store::clear_failures(conn, job.endpoint_id).await?;
    Ok(())
}

async fn fail(
    conn: &mut AsyncPgConnection,
    state: &AppState,
    job: &Job,
    posted: Posted,
    jitter: f64,
) -> Result<bool, DbError> {
    let now = state.now();
    // Deliveries of one endpoint end side by side; the endpoint's row is always locked first.
    let Some(endpoint) = endpoint_store::lock_endpoint(conn, job.endpoint_id).await? else {
        return Ok(false);
    };
    let pause = model::pause_after(job.attempts, jitter)
        .map(|pause| posted.pause.map_or(pause, |asked| pause.max(asked)));
    let next = pause.filter(|_| !posted.gone).map(|pause| now + pause);
    if !store::finish_attempt(conn, job, posted.attempt, next, now).await? {
        return Ok(false);
    }
    let failures = endpoint.consecutive_failures.saturating_add(1);
    let since = endpoint.failing_since.unwrap_or(now);
    let hold = model::breaker_pause(failures).max(posted.pause.unwrap_or_default());
    let paused_until = (!hold.is_zero())
        .then(|| now + hold)
        .max(endpoint.paused_until);
    let change = EndpointChange {
        failing_since: Some(Some(since)),
        consecutive_failures: Some(failures),
        paused_until: Some(paused_until),
        ..EndpointChange::default()
    };
    let reason = if posted.gone {
        Some("gone")
    } else if now - since >= model::DISABLE_AFTER {
        Some("failing")
    } else {
        None
    };
    match reason.filter(|_| endpoint.is_active) {
        None => {
            endpoint_store::update_endpoint(conn, endpoint.id, change).await?;
            Ok(false)
        }
        Some(reason) => disable(conn, state, endpoint, change, reason)
            .await
            .map(|()| true),
    }
}

async fn disable(
    conn: &mut AsyncPgConnection,
    state: &AppState,
    endpoint: EndpointRow,
    change: EndpointChange,
    reason: &'static str,
) -> Result<(), DbError> {
    let now = state.now();
    let change = EndpointChange {
        is_active: Some(false),
        disabled_reason: Some(Some(reason)),
        disabled_at: Some(Some(now)),
        updated_at: Some(now),
        ..change
    };
    let row = endpoint_store::update_endpoint(conn, endpoint.id, change).await?;
    let given_up = store::fail_open_deliveries(conn, row.id, now).await?;
    let event = WebhookEndpointDisabled {
        endpoint_id: row.id,
        aggregate_version: row.version,
        organization_id: row.organization_id,
        reason: reason.to_owned(),
        disabled_at: now,
    };
    outbox::emit(conn, SERVICE, &event, now).await?;
    let log = NewLog {
        organization_id: row.organization_id,
        request_data: serde_json::json!({"endpoint_id": row.id, "given_up": given_up}),
        error_message: format!("a webhook endpoint was switched off: {reason}"),
        ..NewLog::new("critical", "webhooks", "endpoint_disabled")
    };
    insert_log(conn, log, now).await?;
    metrics::counter!("integrations_outgoing_endpoints_disabled_total", "reason" => reason)
        .increment(1);
    tracing::error!(alarm = "webhooks.endpoint_disabled", endpoint = %row.id, reason, "a webhook endpoint was switched off");
    Ok(())
}
