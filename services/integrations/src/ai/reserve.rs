//! Reserving before a call, exact under parallel calls.

use chrono::TimeDelta;
use common_types::internal::integrations::{AiGenerateResponse, AiLimitExceeded, AiUsage};
use diesel_async::AsyncPgConnection;
use serde_json::json;
use uuid::Uuid;

use super::{
    call::Bill,
    error::AiError,
    model::{self, Amount, Counter},
    service::Generated,
    store::{self, CallRow, NewCall},
};
use crate::{AppState, settings::Price};

/// Price of a model; an unknown one costs what `default` says.
pub(super) fn price(state: &AppState, model: &str) -> Price {
    let prices = &state.settings.ai.prices;
    prices
        .get(model)
        .or_else(|| prices.get("default"))
        .copied()
        .unwrap_or(Price {
            prompt: 0,
            completion: 0,
        })
}

/// What a call may use at most, and who is asked first.
pub(super) struct Ticket {
    pub(super) provider: String,
    pub(super) model: String,
    pub(super) tokens: i64,
    pub(super) cost_micros: i64,
    /// How long the call may run before its reservation is given back.
    pub(super) lifetime: TimeDelta,
}

/// What a reservation found.
pub(super) enum Reservation {
    /// The call may be made, under this id.
    New(Uuid),
    /// It was made before.
    Answered(Box<Generated>),
}

/// Reserves for a call, or finds the answer that the same key had.
pub(super) async fn reserve(
    state: &AppState,
    bill: &Bill,
    ticket: &Ticket,
) -> Result<Reservation, AiError> {
    if bill.reservation_key.is_empty() || bill.reservation_key.len() > 255 {
        return Err(AiError::Invalid(
            "reservation_key",
            "1 to 255 characters are expected.".to_owned(),
        ));
    }
    let now = state.now();
    let new = NewCall {
        id: Uuid::now_v7(),
        owner: bill.owner.clone(),
        reservation_key: bill.reservation_key.clone(),
        organization_id: bill.organization_id,
        workspace_id: bill.workspace_id,
        user_id: bill.user_id,
        content_id: bill.content_id,
        purpose: bill.purpose.clone(),
        state: "reserved",
        provider: ticket.provider.clone(),
        model: ticket.model.clone(),
        reserved_tokens: ticket.tokens,
        reserved_cost_micros: ticket.cost_micros,
        created_at: now,
        expires_at: now + ticket.lifetime + TimeDelta::seconds(60),
    };
    state
        .stack
        .db
        .transaction(async |conn| {
            if let Some(known) = store::lock_call(conn, &bill.owner, &bill.reservation_key).await? {
                match known.state.as_str() {
                    "succeeded" => {
                        return Ok(Reservation::Answered(Box::new(kept_answer(state, &known)?)));
                    }
                    "reserved" => return Err(AiError::InFlight),
                    _ => store::update_reserved(conn, known.id, new.clone()).await?,
                };
                hold(conn, state, &new).await?;
                return Ok(Reservation::New(known.id));
            }
            if !store::insert_call(conn, new.clone()).await? {
                return Err(AiError::InFlight);
            }
            hold(conn, state, &new).await?;
            Ok(Reservation::New(new.id))
        })
        .await
}

/// Adds the reservation to every counter and refuses (rolling all of it back) when one is over its limit.
async fn hold(
    conn: &mut AsyncPgConnection,
    state: &AppState,
    call: &NewCall,
) -> Result<(), AiError> {
    let now = state.now();
    let reserved = Amount {
        requests: 1,
        tokens: call.reserved_tokens,
        cost_micros: call.reserved_cost_micros,
    };
    let counters = model::counters(call.organization_id, call.workspace_id, call.user_id);
    let mut counted: Vec<(Counter, Amount)> = Vec::with_capacity(counters.len());
    for counter in counters {
        let start = model::window_start(counter.period, now);
        let held = store::add_to_counter(conn, counter, start, reserved).await?;
        let used = Amount {
            requests: held.requests - reserved.requests,
            tokens: held.tokens - reserved.tokens,
            cost_micros: held.cost_micros - reserved.cost_micros,
        };
        counted.push((counter, used));
    }
    let mut limits = store::list_limits(
        conn,
        call.organization_id,
        &counted
            .iter()
            .map(|(counter, _)| (counter.scope, counter.scope_id))
            .collect::<Vec<_>>(),
    )
    .await?;
    limits.extend(model::platform_limit(state.settings.ai.daily_spend_micros));
    let spent: Option<AiLimitExceeded> = limits.iter().find_map(|limit| {
        let (_, used) = counted.iter().find(|(counter, _)| {
            counter.scope == limit.scope
                && counter.scope_id == limit.scope_id
                && counter.period == limit.period
        })?;
        model::exceeded(limit, *used, reserved, now)
    });
    match spent {
        Some(limit) => Err(AiError::LimitSpent(Box::new(limit))),
        None => Ok(()),
    }
}

fn kept_answer(state: &AppState, call: &CallRow) -> Result<Generated, AiError> {
    let sealed = call.answer_sealed.as_deref().ok_or(AiError::AnswerGone)?;
    let text = state.open("ai_calls", call.id, "answer_sealed", sealed)?;
    let usage = AiUsage {
        prompt_tokens: call.prompt_tokens,
        completion_tokens: call.completion_tokens,
        total_tokens: call.total_tokens,
    };
    Ok(Generated {
        id: call.id,
        response: AiGenerateResponse {
            text,
            model: call.model.clone(),
            usage,
            cost_micros: call.cost_micros,
            provider: call.provider.clone(),
            duration_ms: call.duration_ms,
        },
        raw_usage: json!(usage),
        finish: crate::providers::ai::Finish::Stop,
    })
}
