//! The envelope of every answer.

use actix_web::body::{BodySize, EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::{StatusCode, header};
use actix_web::middleware::Next;
use actix_web::{Error, HttpResponse};
use chrono::{SecondsFormat, Utc};
use common_types::Language;
use serde::Serialize;
use serde_json::{Map, Value, json};
use service_http::{ApiError, Text};

/// Members of a refusal that stand beside the contract's: the question for the second factor.
const BESIDE: [&str; 3] = ["challenge", "expires_in", "methods"];

/// 200 with data.
pub(super) fn ok<T: Serialize>(data: T) -> HttpResponse {
    HttpResponse::Ok().json(json!({"success": true, "data": data}))
}

/// 201 with data.
pub(super) fn created<T: Serialize>(data: T) -> HttpResponse {
    HttpResponse::Created().json(json!({"success": true, "data": data}))
}

/// 200 with tokens, which never rest in a cache.
pub(super) fn secret<T: Serialize>(data: T) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .json(json!({"success": true, "data": data}))
}

/// Puts every refusal of this tree, the router's and the extractors' included, into the envelope.
pub(super) async fn wrap<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B>>, Error> {
    let accepted = request
        .headers()
        .get(header::ACCEPT_LANGUAGE)
        .and_then(|value| value.to_str().ok());
    let language = Language::from_accept_language(accepted, Language::Fa);
    let response = next.call(request).await?;
    let replacement = match response.response().error() {
        Some(error) => Some(refusal(error, language)),
        None => unrouted(&response, language),
    };
    Ok(match replacement {
        Some(mut replacement) => {
            if let Some(allow) = response.headers().get(header::ALLOW) {
                replacement
                    .headers_mut()
                    .insert(header::ALLOW, allow.clone());
            }
            response.into_response(replacement).map_into_right_body()
        }
        None => response.map_into_left_body(),
    })
}

/// The router's own bodiless 404 and 405.
fn unrouted<B: MessageBody>(
    response: &ServiceResponse<B>,
    language: Language,
) -> Option<HttpResponse> {
    let bodiless = matches!(
        response.response().body().size(),
        BodySize::None | BodySize::Sized(0)
    );
    let error = match response.status() {
        StatusCode::NOT_FOUND if bodiless => ApiError::not_found("request.not_found", "Not found."),
        StatusCode::METHOD_NOT_ALLOWED if bodiless => ApiError::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "request.method",
            Text::i18n(
                "این روش پذیرفته نیست.",
                "Méthode non autorisée.",
                "Method not allowed.",
            ),
        ),
        _ => return None,
    };
    Some(in_envelope(&error, language))
}

fn refusal(error: &Error, language: Language) -> HttpResponse {
    match error.as_error::<ApiError>() {
        Some(error) => in_envelope(error, language),
        None => {
            let status = error.as_response_error().status_code();
            let known = if status.is_client_error() {
                ApiError::new(status, "request.refused", said("request.refused"))
            } else {
                ApiError::internal(anyhow::anyhow!("{error}"))
            };
            in_envelope(&known, language)
        }
    }
}

fn in_envelope(error: &ApiError, language: Language) -> HttpResponse {
    let request_id = service_telemetry::current_request_id();
    if error.status().is_server_error() {
        let cause = error.cause().map(|cause| format!("{cause:#}"));
        tracing::error!(
            status = error.status().as_u16(),
            code = error.code(),
            request_id,
            cause,
            "request failed"
        );
    }
    let rendered = error.render(language, None);
    let headers = rendered.headers().clone();
    let body = rendered
        .into_body()
        .try_into_bytes()
        .ok()
        .and_then(|bytes| serde_json::from_slice::<Value>(&bytes).ok())
        .unwrap_or_default();
    let errors = body
        .get("errors")
        .cloned()
        .unwrap_or_else(|| Value::Object(Map::new()));
    let text = first_message(&errors).unwrap_or_else(|| match said(error.code()) {
        Text::Literal(_) => body["detail"].as_str().unwrap_or_default().to_owned(),
        text @ Text::Translated { .. } => text.in_language(language).to_owned(),
    });
    let mut answer = HttpResponse::build(error.status());
    for name in [
        header::RETRY_AFTER,
        header::WWW_AUTHENTICATE,
        header::CACHE_CONTROL,
        header::HeaderName::from_static("x-challenge"),
    ] {
        if let Some(value) = headers.get(&name) {
            answer.insert_header((name, value.clone()));
        }
    }
    let mut envelope = json!({
        "success": false,
        "error": text,
        "errors": errors,
        "code": code(error),
        "timestamp": Utc::now().to_rfc3339_opts(SecondsFormat::Millis, true),
        "request_id": request_id,
    });
    for member in BESIDE {
        if let Some(value) = body.get(member) {
            envelope[member] = value.clone();
        }
    }
    answer
        .insert_header(("X-Error-Code", error.code()))
        .json(envelope)
}

/// The pages show `error` alone, so the first field's message stands there with the field's name.
fn first_message(errors: &Value) -> Option<String> {
    let (field, messages) = errors.as_object()?.iter().next()?;
    let message = messages.get(0)?.as_str()?;
    Some(if field == "non_field_errors" {
        message.to_owned()
    } else {
        format!("{message} ({field})")
    })
}

/// The codes that Contexor's document names; other refusals keep the platform's.
fn code(error: &ApiError) -> &'static str {
    match (error.status(), error.code()) {
        (StatusCode::UNAUTHORIZED, _) => "INVALID_TOKEN",
        (StatusCode::FORBIDDEN, "auth.permission_denied") => "PERMISSION_DENIED",
        (StatusCode::NOT_FOUND, _) => "RESOURCE_NOT_FOUND",
        (_, code) => code,
    }
}

/// Refusals whose own text is an English literal of another contract.
fn said(code: &str) -> Text {
    match code {
        "auth.credentials_missing" => Text::i18n(
            "برای این کار باید وارد شوید.",
            "Informations d'authentification non fournies.",
            "Authentication credentials were not provided.",
        ),
        "auth.token_invalid" | "auth.refresh_invalid" => Text::i18n(
            "نشست شما معتبر نیست. دوباره وارد شوید.",
            "Votre session n'est plus valide. Reconnectez-vous.",
            "Your session is not valid. Log in again.",
        ),
        "auth.permission_denied" => Text::i18n(
            "اجازهٔ این کار را ندارید.",
            "Vous n'avez pas la permission d'effectuer cette action.",
            "You do not have permission to perform this action.",
        ),
        "auth.object_missing" | "request.not_found" | "request.page" => {
            Text::i18n("یافت نشد.", "Introuvable.", "Not found.")
        }
        "request.not_json" | "request.media_type" | "request.refused" | "request.query" => {
            Text::i18n(
                "درخواست معتبر نیست.",
                "La requête n'est pas valide.",
                "The request is not valid.",
            )
        }
        "request.throttled" => Text::i18n(
            "تعداد درخواست‌ها زیاد است. کمی بعد دوباره تلاش کنید.",
            "Trop de requêtes. Réessayez dans un instant.",
            "Too many requests. Try again in a moment.",
        ),
        _ => Text::Literal(String::new()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(error: &ApiError, language: Language) -> Value {
        let bytes = in_envelope(error, language)
            .into_body()
            .try_into_bytes()
            .unwrap();
        serde_json::from_slice(&bytes).unwrap()
    }

    #[test]
    fn every_refusal_is_a_text_for_a_person() {
        let denied = body(&ApiError::permission_denied(), Language::Fa);
        assert_eq!(
            (&denied["success"], &denied["code"], &denied["errors"]),
            (&json!(false), &json!("PERMISSION_DENIED"), &json!({}))
        );
        assert_eq!(denied["error"], "اجازهٔ این کار را ندارید.");
        let invalid = ApiError::invalid().field("name", service_http::text::required());
        let invalid = body(&invalid, Language::En);
        assert_eq!(invalid["error"], "This field is required. (name)");
        assert_eq!(
            invalid["errors"]["name"],
            json!(["This field is required."])
        );
        let token = body(&ApiError::token_invalid(), Language::En);
        assert_eq!(token["code"], "INVALID_TOKEN");
        let own = ApiError::conflict("auth.last_admin", "").i18n("الف", "b", "c");
        assert_eq!(body(&own, Language::Fa)["error"], "الف");
        assert!(token["timestamp"].as_str().unwrap().ends_with('Z'));
    }
}
