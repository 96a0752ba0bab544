//! `GET /v1/models`.

use actix_web::{HttpResponse, web};
use serde_json::{Value, json};
use service_http::{ApiError, Path};

use super::{caller::AiCaller, error};
use crate::{AppState, ai::makers};

/// Our list has no dates of its own: the day on which the route first existed.
const CREATED: i64 = 1_795_219_200;

fn model(name: &str, provider: &str) -> Value {
    json!({"id": name, "object": "model", "created": CREATED, "owned_by": provider})
}

/// The models that may be asked for.
#[utoipa::path(get, path = "/v1/models", tag = "openai", responses((status = 200), (status = 401), (status = 403)))]
pub(crate) async fn list_models(
    caller: AiCaller,
    state: web::Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    let known = makers::models(&state, caller.organization())
        .await
        .map_err(error::of_call)?;
    let data: Vec<Value> = known
        .iter()
        .map(|(name, provider)| model(name, provider))
        .collect();
    Ok(HttpResponse::Ok().json(json!({"object": "list", "data": data})))
}

/// One of them.
#[utoipa::path(get, path = "/v1/models/{model}", tag = "openai", params(("model" = String, Path)),
    responses((status = 200), (status = 401), (status = 403), (status = 404)))]
pub(crate) async fn get_model(
    caller: AiCaller,
    name: Path<String>,
    state: web::Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    let known = makers::models(&state, caller.organization())
        .await
        .map_err(error::of_call)?;
    known
        .iter()
        .find(|(known, _)| *known == *name)
        .map(|(name, provider)| HttpResponse::Ok().json(model(name, provider)))
        .ok_or_else(|| error::no_model(&name))
}
