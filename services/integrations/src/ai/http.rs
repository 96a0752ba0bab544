//! `POST /internal/ai/generate/` and `/internal/ai/summarize/`.

use actix_web::{HttpResponse, http::StatusCode, web};
use common_types::internal::integrations::{AiGenerateRequest, SummarizeRequest};
use serde_json::json;
use service_http::{ApiError, Json, ServiceCaller};

use super::{call::Call, error::AiError, service, summary};
use crate::AppState;

/// The internal answer to a refusal: 402 for a spent limit, 502 for a provider.
fn refusal(error: AiError) -> ApiError {
    match error {
        AiError::LimitSpent(limit) => ApiError::new(
            StatusCode::PAYMENT_REQUIRED,
            "ai.limit_spent",
            "A usage limit is spent.",
        )
        .contract(serde_json::to_value(*limit).unwrap_or_default()),
        AiError::Throttled(seconds) => ApiError::too_many(seconds),
        AiError::TooLarge(most) => {
            service_http::body::too_large(usize::try_from(most).unwrap_or(usize::MAX))
        }
        AiError::NoProvider => {
            ApiError::bad_gateway("ai.no_provider", "No AI provider is configured.")
        }
        AiError::UnknownProvider(slug) => ApiError::bad_request(
            "ai.unknown_provider",
            format!("Provider {slug} not found or inactive"),
        ),
        AiError::InFlight => ApiError::conflict(
            "ai.in_flight",
            "The first call with this key is still running.",
        )
        .retry_after(1),
        AiError::AnswerGone => ApiError::conflict(
            "ai.answer_gone",
            "The answer of this call is no longer kept.",
        ),
        AiError::Provider(error) => {
            ApiError::bad_gateway("ai.provider_failed", "The AI provider did not give a text.")
                .contract(json!({"reason": error.code()}))
        }
        AiError::Invalid(field, reason) => ApiError::invalid().field(field, reason),
        AiError::Unexpected(cause) => ApiError::internal(cause),
    }
}

/// Makes a text for a service.
pub(crate) async fn create_internal_generation(
    caller: ServiceCaller,
    body: Json<AiGenerateRequest>,
    state: web::Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    let owner = format!("service:{}", caller.0.service());
    let made = service::generate(&state, Call::of_service(owner, body.into_inner()), None)
        .await
        .map_err(refusal)?;
    Ok(HttpResponse::Ok().json(made.response))
}

/// Sums up a conversation for a service.
pub(crate) async fn create_internal_summary(
    caller: ServiceCaller,
    body: Json<SummarizeRequest>,
    state: web::Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    let owner = format!("service:{}", caller.0.service());
    let made = summary::summarize(&state, &owner, body.into_inner())
        .await
        .map_err(refusal)?;
    Ok(HttpResponse::Ok().json(made))
}
