//! Reserve, call, settle: the use case.

use std::time::Instant;

use chrono::TimeDelta;
use common_types::internal::integrations::AiGenerateResponse;
use serde_json::Value;
use uuid::Uuid;

use super::{
    call::Call,
    error::AiError,
    makers::{Maker, makers},
    model,
    reserve::{Reservation, Ticket, price, reserve},
    settle::{self, Context},
};
use crate::{
    AppState,
    providers::ai::{Finish, prompt_tokens},
    rate_rule,
};

/// How calls for texts are named in logs and rules.
pub(crate) const TEXT: &str = "text_generation";

/// An answer with what the provider itself said about its use.
pub(crate) struct Generated {
    pub(crate) id: Uuid,
    pub(crate) response: AiGenerateResponse,
    pub(crate) raw_usage: Value,
    pub(crate) finish: Finish,
}

fn check(state: &AppState, call: &Call) -> Result<(), AiError> {
    let invalid = |field, reason: &str| Err(AiError::Invalid(field, reason.to_owned()));
    if call
        .messages
        .iter()
        .all(|message| message.content.trim().is_empty())
    {
        return invalid("prompt", "This field may not be blank.");
    }
    let bytes: usize = call
        .messages
        .iter()
        .map(|message| message.content.len())
        .sum();
    let most = state.settings.ai.input_bytes;
    if bytes > most {
        return invalid("prompt", &format!("At most {most} bytes are accepted."));
    }
    if !(1..=4_000).contains(&call.max_tokens) {
        return invalid("max_tokens", "Ensure this value is between 1 and 4000.");
    }
    if !(0.0..=2.0).contains(&call.temperature) {
        return invalid("temperature", "Ensure this value is between 0 and 2.");
    }
    if call
        .model
        .as_deref()
        .is_some_and(|model| !model::is_model_name(model))
    {
        return invalid("model", "This is not the name of a model.");
    }
    Ok(())
}

/// What all of `makers` together need at most, one after the other.
fn ticket(state: &AppState, call: &Call, makers: &[Maker], seconds: u64) -> Option<Ticket> {
    let first = makers.first()?;
    let prompt = prompt_tokens(&call.messages);
    let completion = i64::from(call.max_tokens);
    let cost_micros = makers
        .iter()
        .map(|maker| model::cost(price(state, &maker.model), prompt, completion))
        .max()
        .unwrap_or(0);
    let each = TimeDelta::seconds(i64::try_from(seconds).unwrap_or(60));
    Some(Ticket {
        provider: first.provider.slug.clone(),
        model: first.model.clone(),
        tokens: prompt + completion,
        cost_micros,
        lifetime: each * i32::try_from(makers.len()).unwrap_or(1),
    })
}

/// A call that may be made: its makers, and what its key had before.
pub(super) async fn admit(
    state: &AppState,
    call: &Call,
    provider: Option<&str>,
    seconds: u64,
) -> Result<(Vec<Maker>, Reservation), AiError> {
    check(state, call)?;
    let bill = &call.bill;
    let makers = makers(state, bill.organization_id, provider, call.model.as_deref()).await?;
    rate_rule::admit(
        state,
        TEXT,
        makers.first().map(|maker| maker.provider.id),
        &rate_rule::Who {
            user: Some(bill.payer()),
            organization: Some(bill.organization_id),
            ip: bill.origin.ip,
        },
    )
    .await
    .map_err(AiError::Throttled)?;
    let ticket = ticket(state, call, &makers, seconds).ok_or(AiError::NoProvider)?;
    let reservation = reserve(state, bill, &ticket).await?;
    Ok((makers, reservation))
}

/// Makes a text.
///
/// # Errors
/// [`AiError`].
pub(crate) async fn generate(
    state: &AppState,
    call: Call,
    provider: Option<&str>,
) -> Result<Generated, AiError> {
    let (makers, reservation) =
        admit(state, &call, provider, state.settings.ai.timeout_seconds).await?;
    let id = match reservation {
        Reservation::New(id) => id,
        Reservation::Answered(answer) => return Ok(*answer),
    };
    // A caller that hangs up must not leave the reservation open, hence a task of its own.
    let task = tokio::spawn(call_and_settle(state.clone(), id, call, makers));
    task.await
        .map_err(|error| AiError::Unexpected(error.into()))?
}

async fn call_and_settle(
    state: AppState,
    id: Uuid,
    call: Call,
    makers: Vec<Maker>,
) -> Result<Generated, AiError> {
    let started = Instant::now();
    let mut failure = None;
    for maker in &makers {
        match maker.client.generate(&call.request(&maker.model)).await {
            Ok(answer) => {
                let context = Context::new(&maker.provider, TEXT, &call.bill, started);
                return settle::succeed(&state, id, &context, answer).await;
            }
            Err(error) => {
                let next = error.is_transient();
                settle::note_failover(&maker.provider, &error, next);
                failure = Some((maker, error));
                if !next {
                    break;
                }
            }
        }
    }
    let (maker, error) = failure.ok_or(AiError::NoProvider)?;
    let context = Context::new(&maker.provider, TEXT, &call.bill, started);
    settle::fail(&state, id, &context, &error, None).await?;
    Err(error.into())
}
