//! Writing what came of a round: state, tries, log rows, events, in the caller's transaction.

use common_types::events::integrations::{MessageDelivered, MessageFailed};
use diesel_async::AsyncPgConnection;
use serde_json::json;
use service_events::outbox;

use super::{
    deliver::Round,
    store::{self, Change, MessageRow},
};
use crate::{
    AppState,
    log::store::{NewLog, insert_logs},
    state::SERVICE,
};

/// What is to be written about one message.
pub(crate) struct Result {
    pub(crate) row: MessageRow,
    pub(crate) round: Option<Round>,
    pub(crate) change: Change,
}

/// Writes a round's attempts, log rows, the new state and its event. `None`: the row moved on meanwhile.
pub(crate) async fn record(
    conn: &mut AsyncPgConnection,
    state: &AppState,
    result: &Result,
) -> diesel::QueryResult<Option<MessageRow>> {
    record_all(conn, state, std::slice::from_ref(result))
        .await
        .map(|mut rows| rows.pop())
}

/// The same for many messages, with as few statements as possible. Answers the rows that were changed.
pub(crate) async fn record_all(
    conn: &mut AsyncPgConnection,
    state: &AppState,
    results: &[Result],
) -> diesel::QueryResult<Vec<MessageRow>> {
    let now = state.now();
    let (mut changed, mut attempts, mut logs) = (Vec::new(), Vec::new(), Vec::new());
    for result in results {
        let updated = store::update_message(conn, &result.row, result.change.clone(), now).await?;
        let Some(row) = updated else {
            continue;
        };
        if let Some(round) = &result.round {
            attempts.extend(round.attempts.iter().cloned());
            logs.extend(
                round
                    .attempts
                    .iter()
                    .map(|tried| log_of(&row, round, tried)),
            );
        }
        if let Some(slug) = &result.change.failed_provider {
            attempts.push(store::NewAttempt {
                id: uuid::Uuid::now_v7(),
                message_id: row.id,
                provider_slug: slug.clone(),
                outcome: "undelivered",
                error_code: Some("not_delivered".to_owned()),
                duration_ms: 0,
                attempted_at: now,
            });
        }
        if row.state != result.row.state {
            announce(conn, state, &row).await?;
        }
        changed.push(row);
    }
    if !attempts.is_empty() {
        store::insert_attempts(conn, &attempts).await?;
    }
    if !logs.is_empty() {
        insert_logs(conn, logs, now).await?;
    }
    Ok(changed)
}

fn log_of(row: &MessageRow, round: &Round, tried: &store::NewAttempt) -> NewLog {
    let level = if tried.outcome == "accepted" {
        "info"
    } else {
        "warning"
    };
    NewLog {
        provider_id: round
            .provider
            .as_ref()
            .filter(|provider| provider.slug == tried.provider_slug)
            .map(|provider| provider.id),
        organization_id: row.organization_id,
        request_data: json!({
            "receptor": row.recipient_masked, "channel": row.channel, "purpose": row.purpose, "segments": row.segments,
        }),
        response_data: json!({
            "outcome": tried.outcome, "provider": tried.provider_slug,
            "cost": row.cost_amount, "currency": row.cost_currency,
        }),
        error_message: tried.error_code.clone().unwrap_or_default(),
        duration_ms: Some(tried.duration_ms),
        cost: row
            .cost_amount
            .zip(row.cost_currency.clone())
            .filter(|_| tried.outcome == "accepted"),
        ..NewLog::new(level, "messages", "send")
    }
}

/// Emits what the new state means to the owner.
pub(crate) async fn announce(
    conn: &mut AsyncPgConnection,
    state: &AppState,
    row: &MessageRow,
) -> diesel::QueryResult<()> {
    let now = state.now();
    match row.state.as_str() {
        "delivered" => {
            let event = MessageDelivered {
                message_id: row.id,
                aggregate_version: row.version,
                organization_id: row.organization_id,
                reference: row.reference.clone(),
                purpose: row.purpose.clone(),
                channel: row.channel.clone(),
                provider: row.provider_slug.clone().unwrap_or_default(),
                delivered_at: now,
            };
            outbox::emit(conn, SERVICE, &event, now).await?;
        }
        "failed" | "refused" => {
            let event = MessageFailed {
                message_id: row.id,
                aggregate_version: row.version,
                organization_id: row.organization_id,
                reference: row.reference.clone(),
                purpose: row.purpose.clone(),
                channel: row.channel.clone(),
                provider: row.provider_slug.clone(),
                reason: row
                    .error_code
                    .clone()
                    .unwrap_or_else(|| "unknown".to_owned()),
                failed_at: now,
            };
            outbox::emit(conn, SERVICE, &event, now).await?;
        }
        _ => {}
    }
    Ok(())
}
