//! Settling after a call: what was really used replaces what was reserved.

use std::time::Instant;

use chrono::{DateTime, TimeDelta, Utc};
use common_types::{
    events::integrations::AiUsageRecorded, internal::integrations::AiGenerateResponse,
};
use diesel_async::AsyncPgConnection;
use serde_json::json;
use service_events::outbox;
use uuid::Uuid;

use super::{
    error::AiError,
    model::{self, Amount, PERIODS},
    reserve::{price, scopes},
    service::Generated,
    store::{self, CallRow, Settlement},
};
use crate::{
    AppState,
    log::store::{NewLog, insert_log},
    providers::{
        LiveProvider,
        ai::{TextAnswer, TextError},
    },
    state::SERVICE,
};

/// How long an answer is kept for a caller that lost it.
const ANSWER_KEPT: TimeDelta = TimeDelta::days(1);

/// Records what a call was: its row, its counters, its event, its log row.
pub(super) async fn settle(
    state: &AppState,
    id: Uuid,
    provider: &LiveProvider,
    result: Result<TextAnswer, TextError>,
    started: Instant,
) -> Result<Generated, AiError> {
    let now = state.now();
    let duration_ms = i64::try_from(started.elapsed().as_millis()).unwrap_or(i64::MAX);
    let (settlement, log_level) = match &result {
        Ok(answer) => {
            let settlement = Settlement {
                state: "succeeded",
                provider: provider.slug.clone(),
                model: answer.model.clone(),
                prompt_tokens: answer.usage.prompt_tokens,
                completion_tokens: answer.usage.completion_tokens,
                total_tokens: answer.usage.total_tokens,
                cost_micros: model::cost_of(price(state, &answer.model), &answer.usage),
                duration_ms,
                error_code: None,
                answer_sealed: Some(state.seal(
                    "ai_calls",
                    id,
                    "answer_sealed",
                    answer.text.as_bytes(),
                )),
                settled_at: Some(now),
            };
            (settlement, "info")
        }
        Err(error) => (
            failed(
                provider.slug.clone(),
                String::new(),
                error.code(),
                duration_ms,
                now,
            ),
            "error",
        ),
    };
    let row = state
        .stack
        .db
        .transaction(async |conn| {
            let row = finish(conn, state, id, settlement.clone()).await?;
            if let Some(row) = &row {
                let log = NewLog {
                    provider_id: Some(provider.id),
                    organization_id: Some(row.organization_id),
                    request_data: json!({"purpose": row.purpose, "model": row.model}),
                    response_data: json!({"total_count": row.total_tokens, "cost_micros": row.cost_micros}),
                    error_message: row.error_code.clone().unwrap_or_default(),
                    duration_ms: i32::try_from(duration_ms).ok(),
                    user: row.user_id.map(|id| (id, String::new())),
                    ..NewLog::new(log_level, "ai", "text_generation")
                };
                insert_log(conn, log, now).await?;
            }
            Ok::<_, AiError>(row)
        })
        .await?;
    state.stack.outbox.wake();
    let answer = result?;
    let cost_micros = row.map_or(0, |row| row.cost_micros);
    Ok(Generated {
        response: AiGenerateResponse {
            text: answer.text,
            model: answer.model,
            usage: answer.usage,
            cost_micros,
            provider: provider.slug.clone(),
            duration_ms,
        },
        raw_usage: answer.raw_usage,
    })
}

fn failed(
    provider: String,
    model: String,
    code: String,
    duration_ms: i64,
    now: DateTime<Utc>,
) -> Settlement {
    Settlement {
        state: "failed",
        provider,
        model,
        prompt_tokens: 0,
        completion_tokens: 0,
        total_tokens: 0,
        cost_micros: 0,
        duration_ms,
        error_code: Some(code),
        answer_sealed: None,
        settled_at: Some(now),
    }
}

/// Turns a reservation into what was really used and tells content. `None` when it was settled before.
async fn finish(
    conn: &mut AsyncPgConnection,
    state: &AppState,
    id: Uuid,
    mut settlement: Settlement,
) -> Result<Option<CallRow>, AiError> {
    let now = state.now();
    let call = store::get_call(conn, id).await?;
    if call.state != "reserved" {
        return Ok(None);
    }
    if settlement.model.is_empty() {
        settlement.model.clone_from(&call.model);
    }
    let success = settlement.state == "succeeded";
    // A failed call gives everything back, its request too.
    let difference = Amount {
        requests: if success { 0 } else { -1 },
        tokens: settlement.total_tokens - call.reserved_tokens,
        cost_micros: settlement.cost_micros - call.reserved_cost_micros,
    };
    for (scope, scope_id) in scopes(call.organization_id, call.workspace_id, call.user_id) {
        for period in PERIODS {
            // The window of the reservation, even when midnight passed since.
            let start = model::window_start(period, call.created_at);
            store::add_to_counter(
                conn,
                scope,
                scope_id,
                call.organization_id,
                period,
                start,
                difference,
            )
            .await?;
        }
    }
    let row = store::update_settled(conn, id, settlement).await?;
    let event = AiUsageRecorded {
        usage_id: row.id,
        aggregate_version: row.version,
        organization_id: row.organization_id,
        workspace_id: row.workspace_id,
        user_id: row.user_id,
        content_id: row.content_id,
        reservation_key: row.reservation_key.clone(),
        purpose: row.purpose.clone(),
        provider: row.provider.clone(),
        model: row.model.clone(),
        prompt_tokens: row.prompt_tokens,
        completion_tokens: row.completion_tokens,
        total_tokens: row.total_tokens,
        cost_micros: row.cost_micros,
        duration_ms: row.duration_ms,
        success,
        error_code: row.error_code.clone(),
        recorded_at: now,
    };
    outbox::emit(conn, SERVICE, &event, now).await?;
    Ok(Some(row))
}

/// Gives back what processes that died had reserved, and forgets old answers.
pub(crate) async fn sweep(state: &AppState) -> anyhow::Result<()> {
    let now = state.now();
    let mut conn = state.stack.db.get().await?;
    let expired = store::list_expired(&mut conn, now).await?;
    store::wipe_answers(&mut conn, now - ANSWER_KEPT).await?;
    drop(conn);
    for id in expired {
        let lost = failed(String::new(), String::new(), "lost".to_owned(), 0, now);
        state
            .stack
            .db
            .transaction(async |conn| finish(conn, state, id, lost.clone()).await)
            .await?;
    }
    state.stack.outbox.wake();
    Ok(())
}
