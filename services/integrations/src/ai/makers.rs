//! Which providers may make a text, in the order in which they are tried, each with the model it is asked for.

use uuid::Uuid;

use super::error::AiError;
use crate::{
    AppState,
    providers::{LiveProvider, ai::TextProvider},
};

/// A provider with its client and the model that it will be asked for.
pub(crate) struct Maker {
    pub(crate) provider: LiveProvider,
    pub(crate) client: Box<dyn TextProvider>,
    pub(crate) model: String,
}

/// Live makers of texts, narrowed to the provider `wanted`. Those that can know `model` come first and are asked for it; the
/// others stand behind them with their own default. A stand-in never replaces a real provider that failed.
pub(crate) async fn makers(
    state: &AppState,
    organization: Uuid,
    wanted: Option<&str>,
    model: Option<&str>,
) -> Result<Vec<Maker>, AiError> {
    let live = state.registry.of_type(state, "ai").await?;
    if let Some(slug) = wanted
        && !live.iter().any(|provider| provider.slug == slug)
    {
        return Err(AiError::UnknownProvider(slug.to_owned()));
    }
    let mut makers: Vec<Maker> = live
        .into_iter()
        .filter(|provider| wanted.is_none_or(|slug| slug == provider.slug))
        .filter_map(|provider| {
            let client = provider.texts(state, Some(organization))?;
            let model = model
                .filter(|model| client.may_know(model))
                .unwrap_or_else(|| client.default_model())
                .to_owned();
            Some(Maker {
                provider,
                client,
                model,
            })
        })
        .collect();
    if makers
        .iter()
        .any(|maker| !maker.provider.adapter.is_stand_in())
    {
        makers.retain(|maker| !maker.provider.adapter.is_stand_in());
    }
    if let Some(model) = model {
        // Stable: within the two groups the operator's order stays.
        makers.sort_by_key(|maker| maker.model != model);
    }
    if makers.is_empty() {
        Err(AiError::NoProvider)
    } else {
        Ok(makers)
    }
}

/// Models that may be asked for by name over `/v1`, each with the provider that is tried first for it.
pub(crate) async fn models(
    state: &AppState,
    organization: Uuid,
) -> Result<Vec<(String, String)>, AiError> {
    let makers = match makers(state, organization, None, None).await {
        Err(AiError::NoProvider) => return Ok(Vec::new()),
        other => other?,
    };
    let mut all: Vec<(String, String)> = Vec::new();
    for maker in &makers {
        for model in maker.client.models() {
            if !all.iter().any(|(known, _)| known == model) {
                all.push((model.clone(), maker.provider.slug.clone()));
            }
        }
    }
    Ok(all)
}
