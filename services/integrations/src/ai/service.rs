//! Reserve, call, settle.

use std::time::Instant;

use chrono::TimeDelta;
use common_types::{
    events::integrations::AiUsageRecorded,
    internal::integrations::{AiGenerateRequest, AiGenerateResponse, AiUsage},
};
use diesel_async::AsyncPgConnection;
use serde_json::{Value, json};
use service_events::outbox;
use uuid::Uuid;

use super::{
    error::AiError,
    model::{self, Amount, PERIODS},
    store::{self, CallRow, NewCall, Settlement},
};
use crate::{
    AppState,
    log::store::{NewLog, insert_log},
    providers::{
        LiveProvider,
        ai::{TextAnswer, TextError, TextProvider, TextRequest, estimate_tokens},
    },
    settings::Price,
    state::SERVICE,
};

/// An answer with what the provider itself said about its use.
pub(crate) struct Generated {
    pub(crate) response: AiGenerateResponse,
    pub(crate) raw_usage: Value,
}

/// Days for which an answer is kept for a caller that lost it.
const ANSWER_KEPT: TimeDelta = TimeDelta::days(1);

fn price(state: &AppState, model: &str) -> Price {
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
fn scopes(
    organization: Uuid,
    workspace: Option<Uuid>,
    user: Option<Uuid>,
) -> Vec<(&'static str, Uuid)> {
    let mut all = vec![("organization", organization)];
    all.extend(workspace.map(|id| ("workspace", id)));
    all.extend(user.map(|id| ("user", id)));
    all
}

/// Live makers of texts, narrowed to `wanted`. Real providers come first; a stand-in never replaces one that failed.
async fn makers(
    state: &AppState,
    organization: Uuid,
    wanted: Option<&str>,
) -> Result<Vec<(LiveProvider, Box<dyn TextProvider>)>, AiError> {
    let live = state.registry.of_type(state, "ai").await?;
    if let Some(slug) = wanted
        && !live.iter().any(|provider| provider.slug == slug)
    {
        return Err(AiError::UnknownProvider(slug.to_owned()));
    }
    let mut makers: Vec<_> = live
        .into_iter()
        .filter(|provider| wanted.is_none_or(|slug| slug == provider.slug))
        .filter_map(|provider| {
            provider
                .texts(state, Some(organization))
                .map(|client| (provider, client))
        })
        .collect();
    if makers
        .iter()
        .any(|(provider, _)| !provider.adapter.is_stand_in())
    {
        makers.retain(|(provider, _)| !provider.adapter.is_stand_in());
    }
    if makers.is_empty() {
        Err(AiError::NoProvider)
    } else {
        Ok(makers)
    }
}

fn check(request: &AiGenerateRequest) -> Result<(), AiError> {
    let invalid = |field, reason: &str| Err(AiError::Invalid(field, reason.to_owned()));
    if request.prompt.trim().is_empty() {
        return invalid("prompt", "This field may not be blank.");
    }
    if request.reservation_key.is_empty() || request.reservation_key.len() > 255 {
        return invalid("reservation_key", "1 to 255 characters are expected.");
    }
    if !(1..=4_000).contains(&request.max_tokens) {
        return invalid("max_tokens", "Ensure this value is between 1 and 4000.");
    }
    if !(0.0..=2.0).contains(&request.temperature) {
        return invalid("temperature", "Ensure this value is between 0 and 2.");
    }
    Ok(())
}

/// Makes a text for `owner`.
///
/// # Errors
/// [`AiError`].
pub(crate) async fn generate(
    state: &AppState,
    owner: &str,
    request: AiGenerateRequest,
    provider: Option<&str>,
) -> Result<Generated, AiError> {
    check(&request)?;
    let makers = makers(state, request.organization_id, provider).await?;
    let id = match reserve(state, owner, &request, &makers).await? {
        Reservation::New(id) => id,
        Reservation::Answered(answer) => return Ok(*answer),
    };
    // A caller that hangs up must not leave the reservation open, hence a task of its own.
    let task = tokio::spawn(call_and_settle(state.clone(), id, request, makers));
    task.await
        .map_err(|error| AiError::Unexpected(error.into()))?
}

enum Reservation {
    New(Uuid),
    Answered(Box<Generated>),
}

async fn reserve(
    state: &AppState,
    owner: &str,
    request: &AiGenerateRequest,
    makers: &[(LiveProvider, Box<dyn TextProvider>)],
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

async fn call_and_settle(
    state: AppState,
    id: Uuid,
    request: AiGenerateRequest,
    makers: Vec<(LiveProvider, Box<dyn TextProvider>)>,
) -> Result<Generated, AiError> {
    let asked = TextRequest {
        prompt: &request.prompt,
        system_prompt: request.system_prompt.as_deref(),
        max_tokens: request.max_tokens,
        temperature: request.temperature,
        model: request.model.as_deref(),
        language: request.language,
    };
    let started = Instant::now();
    let mut failure = None;
    for (provider, client) in &makers {
        match client.generate(&asked).await {
            Ok(answer) => return settle(&state, id, provider, Ok(answer), started).await,
            Err(error) => {
                let next = matches!(
                    error,
                    TextError::Network(_)
                        | TextError::Refused {
                            transient: true,
                            ..
                        }
                );
                failure = Some((provider, error));
                if !next {
                    break;
                }
            }
        }
    }
    match failure {
        Some((provider, error)) => settle(&state, id, provider, Err(error), started).await,
        None => Err(AiError::NoProvider),
    }
}

async fn settle(
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
    now: chrono::DateTime<chrono::Utc>,
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
