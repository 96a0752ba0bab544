//! Errors in OpenAI's shape (providers.md 7.2): `{"error": {"message", "type", "param", "code"}}`.

use actix_web::{HttpResponse, http::StatusCode};
use serde_json::{Value, json};
use service_http::ApiError;

use crate::{ai::error::AiError, providers::ai::TextError};

/// The body of an error.
pub(super) fn body(kind: &str, code: Option<&str>, param: Option<&str>, message: &str) -> Value {
    json!({"error": {"message": message, "type": kind, "param": param, "code": code}})
}

fn error(
    status: StatusCode,
    our_code: &'static str,
    kind: &str,
    code: Option<&str>,
    param: Option<&str>,
    message: &str,
) -> ApiError {
    ApiError::new(status, our_code, message).bare(body(kind, code, param, message))
}

/// 400: a parameter is missing, wrong or not understood.
pub(super) fn invalid(param: &str, code: &str, message: &str) -> ApiError {
    error(
        StatusCode::BAD_REQUEST,
        "request.invalid",
        "invalid_request_error",
        Some(code),
        Some(param),
        message,
    )
}

/// 400: the body is no JSON.
pub(super) fn not_json() -> ApiError {
    let message = "We could not parse the JSON body of your request.";
    error(
        StatusCode::BAD_REQUEST,
        "request.not_json",
        "invalid_request_error",
        None,
        None,
        message,
    )
}

/// What the reading of a body refused, in this shape.
pub(super) fn of_body(refused: &ApiError) -> ApiError {
    let status = refused.status();
    let message = status.canonical_reason().unwrap_or("Bad Request");
    error(
        status,
        refused.code(),
        "invalid_request_error",
        None,
        None,
        message,
    )
    .header("Connection", "close")
}

/// What the check of the caller refused, in this shape.
pub(super) fn of_caller(refused: &ApiError) -> ApiError {
    let status = refused.status();
    if status == StatusCode::UNAUTHORIZED {
        let message = "Incorrect API key provided.";
        return error(
            status,
            refused.code(),
            "invalid_request_error",
            Some("invalid_api_key"),
            None,
            message,
        )
        .header("WWW-Authenticate", "Bearer realm=\"api\"");
    }
    if status == StatusCode::FORBIDDEN {
        return no_organization();
    }
    let message = "API keys cannot be checked at the moment.";
    error(status, refused.code(), "server_error", None, None, message).retry_after(2)
}

/// 403: the key may not do this.
pub(super) fn no_scope() -> ApiError {
    let message = "This key has no access to the AI routes; it needs the scope \"ai.use\".";
    error(
        StatusCode::FORBIDDEN,
        "auth.permission_denied",
        "invalid_request_error",
        Some("insufficient_permissions"),
        None,
        message,
    )
}

/// 403: nobody would pay.
pub(super) fn no_organization() -> ApiError {
    let message = "This key belongs to no organization.";
    error(
        StatusCode::FORBIDDEN,
        "auth.permission_denied",
        "invalid_request_error",
        Some("insufficient_permissions"),
        None,
        message,
    )
}

/// 404: no provider of ours has the model.
pub(super) fn no_model(model: &str) -> ApiError {
    let message = format!("The model `{model}` does not exist or you do not have access to it.");
    error(
        StatusCode::NOT_FOUND,
        "ai.unknown_model",
        "invalid_request_error",
        Some("model_not_found"),
        Some("model"),
        &message,
    )
}

/// 404: no such route.
pub(crate) async fn no_route(request: actix_web::HttpRequest) -> Result<HttpResponse, ApiError> {
    let message = format!("Invalid URL ({} {})", request.method(), request.path());
    Err(error(
        StatusCode::NOT_FOUND,
        "request.not_found",
        "invalid_request_error",
        None,
        None,
        &message,
    ))
}

/// 405.
pub(crate) async fn no_method(request: actix_web::HttpRequest) -> Result<HttpResponse, ApiError> {
    let message = format!("Method {} is not allowed here.", request.method());
    Err(error(
        StatusCode::METHOD_NOT_ALLOWED,
        "request.method",
        "invalid_request_error",
        None,
        None,
        &message,
    ))
}

/// 429 that passes: a client may come again.
pub(crate) fn too_many(seconds: u64) -> ApiError {
    error(
        StatusCode::TOO_MANY_REQUESTS,
        "request.throttled",
        "requests",
        Some("rate_limit_exceeded"),
        None,
        "Rate limit reached for requests.",
    )
    .retry_after(seconds)
}

/// The body of an error in the middle of a stream.
pub(super) fn broken(failure: &TextError) -> Value {
    body(
        "server_error",
        Some(&failure.code()),
        None,
        "The model's answer broke off.",
    )
}

/// A refusal of a call.
pub(super) fn of_call(refused: AiError) -> ApiError {
    match refused {
        AiError::LimitSpent(limit) => error(
            StatusCode::TOO_MANY_REQUESTS,
            "ai.limit_spent",
            "insufficient_quota",
            Some("insufficient_quota"),
            None,
            &format!(
                "You exceeded your current quota: the {} limit of {} ({}) is spent.",
                limit.period, limit.scope, limit.kind
            ),
        )
        // Waiting helps only when the window ends; clients that retry by status must not.
        .header("x-should-retry", "false"),
        AiError::Throttled(seconds) => too_many(seconds),
        AiError::NoProvider | AiError::UnknownProvider(_) => error(
            StatusCode::SERVICE_UNAVAILABLE,
            "ai.no_provider",
            "server_error",
            None,
            None,
            "No AI provider for this is configured.",
        )
        .header("x-should-retry", "false"),
        AiError::InFlight => error(
            StatusCode::CONFLICT,
            "ai.in_flight",
            "invalid_request_error",
            Some("in_flight"),
            None,
            "The first call with this key is still running.",
        )
        .retry_after(1),
        AiError::AnswerGone => error(
            StatusCode::CONFLICT,
            "ai.answer_gone",
            "invalid_request_error",
            Some("answer_gone"),
            None,
            "The answer of this call is no longer kept.",
        )
        .header("x-should-retry", "false"),
        AiError::TooLarge(most) => error(
            StatusCode::PAYLOAD_TOO_LARGE,
            "request.too_large",
            "invalid_request_error",
            None,
            Some("file"),
            &format!("Maximum content size limit ({most} bytes) exceeded."),
        )
        .header("Connection", "close"),
        AiError::Invalid(field, reason) => {
            let param = if field == "prompt" { "messages" } else { field };
            invalid(param, "invalid_value", &reason)
        }
        AiError::Provider(TextError::Refused {
            status: status @ (400 | 413 | 422),
            message,
            ..
        }) => error(
            StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST),
            "ai.provider_refused",
            "invalid_request_error",
            None,
            None,
            &message,
        ),
        AiError::Provider(failure) => error(
            StatusCode::BAD_GATEWAY,
            "ai.provider_failed",
            "server_error",
            Some(&failure.code()),
            None,
            "The model could not answer.",
        ),
        AiError::Unexpected(cause) => {
            let message = "The server had an error while processing your request.";
            error(
                StatusCode::INTERNAL_SERVER_ERROR,
                "internal",
                "server_error",
                None,
                None,
                message,
            )
            .caused_by(cause)
        }
    }
}
