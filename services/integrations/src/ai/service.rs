//! Reserve, call, settle: the use case.

use std::time::Instant;

use common_types::internal::integrations::{AiGenerateRequest, AiGenerateResponse};
use serde_json::Value;
use uuid::Uuid;

use super::{
    error::AiError,
    reserve::{Reservation, reserve},
    settle::settle,
};
use crate::{
    AppState,
    providers::{
        LiveProvider,
        ai::{TextError, TextProvider, TextRequest},
    },
};

/// An answer with what the provider itself said about its use.
pub(crate) struct Generated {
    pub(crate) response: AiGenerateResponse,
    pub(crate) raw_usage: Value,
}

/// A provider with its client.
pub(super) type Maker = (LiveProvider, Box<dyn TextProvider>);

/// Live makers of texts, narrowed to `wanted`. Real providers come first; a stand-in never replaces one that failed.
async fn makers(
    state: &AppState,
    organization: Uuid,
    wanted: Option<&str>,
) -> Result<Vec<Maker>, AiError> {
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

async fn call_and_settle(
    state: AppState,
    id: Uuid,
    request: AiGenerateRequest,
    makers: Vec<Maker>,
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
