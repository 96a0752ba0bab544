//! Reserving before a call, exact under parallel calls.

use chrono::TimeDelta;
use common_types::internal::integrations::{AiGenerateRequest, AiGenerateResponse, AiUsage};
use diesel_async::AsyncPgConnection;
use serde_json::json;
use uuid::Uuid;

use super::{
    error::AiError,
    model::{self, Amount, PERIODS},
    service::{Generated, Maker},
    store::{self, CallRow, NewCall},
};
use crate::{AppState, providers::ai::estimate_tokens, settings::Price};

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

/// The scopes of a call, in the order in which their counters are locked.
pub(super) fn scopes(
    organization: Uuid,
    workspace: Option<Uuid>,
    user: Option<Uuid>,
) -> Vec<(&'static str, Uuid)> {
    let mut all = vec![("organization", organization)];
    all.extend(workspace.map(|id| ("workspace", id)));
    all.extend(user.map(|id| ("user", id)));
    all
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
    owner: &str,
    request: &AiGenerateRequest,
    makers: &[Maker],
) -> Result<Reservation, AiError> {
    let now = state.now();
    let (first, client) = makers.first().ok_or(AiError::NoProvider)?;
    let model = request
        .model
        .clone()
        .unwrap_or_else(|| client.default_model().to_owned());
    let prompt_tokens = estimate_tokens(&request.prompt)
        + estimate_tokens(request.system_prompt.as_deref().unwrap_or(""));
    let completion_tokens = i64::from(request.max_tokens);
    let reserved_cost_micros = makers
        .iter()
        .map(|(_, client)| {
            request
                .model
                .as_deref()
                .unwrap_or_else(|| client.default_model())
        })
        .map(|model| model::cost(price(state, model), prompt_tokens, completion_tokens))
        .max()
        .unwrap_or(0);
    let timeout =
        TimeDelta::seconds(i64::try_from(state.settings.ai.timeout_seconds).unwrap_or(60));
    let new = NewCall {
        id: Uuid::now_v7(),
        owner: owner.to_owned(),
        reservation_key: request.reservation_key.clone(),
        organization_id: request.organization_id,
        workspace_id: request.workspace_id,
        user_id: request.user_id,
        content_id: request.content_id,
        purpose: request.purpose.clone(),
        state: "reserved",
        provider: first.slug.clone(),
        model,
        reserved_tokens: prompt_tokens + completion_tokens,
        reserved_cost_micros,
        created_at: now,
        expires_at: now
            + timeout * i32::try_from(makers.len()).unwrap_or(1)
            + TimeDelta::seconds(60),
    };
    state
        .stack
        .db
        .transaction(async |conn| {
            if let Some(known) = store::lock_call(conn, owner, &request.reservation_key).await? {
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
    let scopes = scopes(call.organization_id, call.workspace_id, call.user_id);
    let reserved = Amount {
        requests: 1,
        tokens: call.reserved_tokens,
        cost_micros: call.reserved_cost_micros,
    };
    let mut counted = Vec::new();
    for (scope, id) in &scopes {
        for period in PERIODS {
            let start = model::window_start(period, now);
            let held = store::add_to_counter(
                conn,
                scope,
                *id,
                call.organization_id,
                period,
                start,
                reserved,
            )
            .await?;
            let used = Amount {
                requests: held.requests - reserved.requests,
                tokens: held.tokens - reserved.tokens,
                cost_micros: held.cost_micros - reserved.cost_micros,
            };
            counted.push((*scope, *id, period, used));
        }
    }
    let limits = store::list_limits(conn, call.organization_id, &scopes).await?;
    let spent = limits.iter().find_map(|limit| {
        let (.., used) = counted.iter().find(|(scope, id, period, _)| {
            *scope == limit.scope && *id == limit.scope_id && *period == limit.period
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
        response: AiGenerateResponse {
            text,
            model: call.model.clone(),
            usage,
            cost_micros: call.cost_micros,
            provider: call.provider.clone(),
            duration_ms: call.duration_ms,
        },
        raw_usage: json!(usage),
    })
}
