//! Settling after a call: what was really used replaces what was reserved.

use std::time::Instant;

use chrono::{DateTime, TimeDelta, Utc};
use common_types::{
    events::integrations::AiUsageRecorded,
    internal::integrations::{AiGenerateResponse, AiUsage},
};
use diesel_async::AsyncPgConnection;
use serde_json::json;
use service_events::outbox;
use uuid::Uuid;

use super::{
    call::Bill,
    error::AiError,
    model::{self, Amount},
    reserve::price,
    service::{self, Generated},
    store::{self, CallRow, Settlement},
    transcribe,
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
/// Reservations given back in one go.
const SWEPT: i64 = 500;

/// Who made a call, as what, for whom, since when.
pub(super) struct Context<'a> {
    provider: &'a LiveProvider,
    action: &'static str,
    bill: &'a Bill,
    started: Instant,
}

impl<'a> Context<'a> {
    pub(super) fn new(
        provider: &'a LiveProvider,
        action: &'static str,
        bill: &'a Bill,
        started: Instant,
    ) -> Self {
        Self {
            provider,
            action,
            bill,
            started,
        }
    }

    fn duration_ms(&self) -> i64 {
        i64::try_from(self.started.elapsed().as_millis()).unwrap_or(i64::MAX)
    }
}

/// What was used of a call that did not come to its end.
pub(super) struct Partial {
    pub(super) model: String,
    pub(super) usage: AiUsage,
}

/// What was made, in whatever medium.
pub(super) struct Made<'a> {
    pub(super) text: &'a str,
    pub(super) model: &'a str,
    pub(super) usage: AiUsage,
    pub(super) cost_micros: i64,
}

/// Counts and logs a provider that failed before another one is asked.
pub(super) fn note_failover(provider: &LiveProvider, error: &TextError, next: bool) {
    metrics::counter!("integrations_ai_failures_total", "provider" => provider.slug.clone(), "code" => error.code())
        .increment(1);
    tracing::warn!(provider = %provider.slug, code = error.code(), next, "an AI provider failed");
}

/// Records a text that was made.
pub(super) async fn succeed(
    state: &AppState,
    id: Uuid,
    context: &Context<'_>,
    answer: TextAnswer,
) -> Result<Generated, AiError> {
    let made = Made {
        text: &answer.text,
        model: &answer.model,
        usage: answer.usage,
        cost_micros: model::cost_of(price(state, &answer.model), &answer.usage),
    };
    let row = succeed_with(state, id, context, &made).await?;
    Ok(Generated {
        id,
        response: AiGenerateResponse {
            text: answer.text,
            model: answer.model,
            usage: answer.usage,
            cost_micros: row.as_ref().map_or(0, |row| row.cost_micros),
            provider: context.provider.slug.clone(),
            duration_ms: row.map_or(0, |row| row.duration_ms),
        },
        raw_usage: answer.raw_usage,
        finish: answer.finish,
    })
}

/// Records whatever was made; its text is kept sealed for a day.
pub(super) async fn succeed_with(
    state: &AppState,
    id: Uuid,
    context: &Context<'_>,
    made: &Made<'_>,
) -> Result<Option<CallRow>, AiError> {
    let settlement = Settlement {
        state: "succeeded",
        provider: context.provider.slug.clone(),
        model: made.model.to_owned(),
        prompt_tokens: made.usage.prompt_tokens,
        completion_tokens: made.usage.completion_tokens,
        total_tokens: made.usage.total_tokens,
        cost_micros: made.cost_micros,
        duration_ms: context.duration_ms(),
        error_code: None,
        answer_sealed: Some(state.seal("ai_calls", id, "answer_sealed", made.text.as_bytes())),
        settled_at: Some(state.now()),
    };
    settle(state, id, context, settlement, Some(200)).await
}

/// Records a call that failed. What it did use is charged; everything else is given back.
pub(super) async fn fail(
    state: &AppState,
    id: Uuid,
    context: &Context<'_>,
    error: &TextError,
    partial: Option<Partial>,
) -> Result<(), AiError> {
    let mut settlement = failed(
        context.provider.slug.clone(),
        error.code(),
        context.duration_ms(),
        state.now(),
    );
    if let Some(partial) = partial {
        settlement.cost_micros = model::cost_of(price(state, &partial.model), &partial.usage);
        settlement.model = partial.model;
        settlement.prompt_tokens = partial.usage.prompt_tokens;
        settlement.completion_tokens = partial.usage.completion_tokens;
        settlement.total_tokens = partial.usage.total_tokens;
    }
    settle(state, id, context, settlement, error.status())
        .await
        .map(|_| ())
}

/// Writes the row, the counters, the event and the log row of a call, all or nothing.
async fn settle(
    state: &AppState,
    id: Uuid,
    context: &Context<'_>,
    settlement: Settlement,
    status: Option<u16>,
) -> Result<Option<CallRow>, AiError> {
    let now = state.now();
    let row = state
        .stack
        .db
        .transaction(async |conn| {
            let row = finish(conn, state, id, settlement.clone()).await?;
            if let Some(row) = &row {
                insert_log(conn, log_of(context, row, status), now).await?;
            }
            Ok::<_, AiError>(row)
        })
        .await?;
    state.stack.outbox.wake();
    Ok(row)
}

fn log_of(context: &Context<'_>, row: &CallRow, status: Option<u16>) -> NewLog {
    let level = if row.error_code.is_none() {
        "info"
    } else {
        "error"
    };
    NewLog {
        provider_id: Some(context.provider.id),
        organization_id: Some(row.organization_id),
        request_data: json!({"purpose": row.purpose, "model": row.model}),
        response_data: json!({
            "prompt_count": row.prompt_tokens,
            "completion_count": row.completion_tokens,
            "total_count": row.total_tokens,
        }),
        error_message: row.error_code.clone().unwrap_or_default(),
        status_code: status.map(i32::from),
        duration_ms: i32::try_from(row.duration_ms).ok(),
        cost: Some((row.cost_micros, "USD_MICROS".to_owned())),
        user: row.user_id.map(|id| (id, String::new())),
        origin: context.bill.origin.clone(),
        ..NewLog::new(level, "ai", context.action)
    }
}

/// A call whose process died; by which provider is not known any more.
fn log_of_lost(row: &CallRow) -> NewLog {
    let action = if row.purpose == transcribe::PURPOSE {
        transcribe::AUDIO
    } else {
        service::TEXT
    };
    NewLog {
        organization_id: Some(row.organization_id),
        request_data: json!({"purpose": row.purpose, "model": row.model}),
        error_message: "lost".to_owned(),
        user: row.user_id.map(|id| (id, String::new())),
        ..NewLog::new("error", "ai", action)
    }
}

fn failed(provider: String, code: String, duration_ms: i64, now: DateTime<Utc>) -> Settlement {
    Settlement {
        state: "failed",
        provider,
        model: String::new(),
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
    if settlement.provider.is_empty() {
        settlement.provider.clone_from(&call.provider);
    }
    let success = settlement.state == "succeeded";
    // A call that made nothing gives everything back, its request too.
    let counts = success || settlement.total_tokens > 0;
    let difference = Amount {
        requests: if counts { 0 } else { -1 },
        tokens: settlement.total_tokens - call.reserved_tokens,
        cost_micros: settlement.cost_micros - call.reserved_cost_micros,
    };
    for counter in model::counters(call.organization_id, call.workspace_id, call.user_id) {
        // The window of the reservation, even when midnight passed since.
        let start = model::window_start(counter.period, call.created_at);
        store::add_to_counter(conn, counter, start, difference).await?;
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
    store::wipe_answers(&mut conn, now - ANSWER_KEPT).await?;
    drop(conn);
    loop {
        let mut conn = state.stack.db.get().await?;
        let expired = store::list_expired(&mut conn, now, SWEPT).await?;
        drop(conn);
        for id in &expired {
            let lost = failed(String::new(), "lost".to_owned(), 0, now);
            state
                .stack
                .db
                .transaction(async |conn| {
                    if let Some(row) = finish(conn, state, *id, lost.clone()).await? {
                        insert_log(conn, log_of_lost(&row), now).await?;
                    }
                    Ok::<_, AiError>(())
                })
                .await?;
        }
        state.stack.outbox.wake();
        if i64::try_from(expired.len()).is_ok_and(|count| count < SWEPT) {
            return Ok(());
        }
    }
}
