//! `POST /api/integrations/ai/transcribe/`: I06's `transcribe_audio`.

use actix_multipart::Multipart;
use actix_web::{HttpRequest, HttpResponse, http::header, web};
use serde_json::json;
use service_http::{Allowed, ApiError, OrganizationMember};

use super::{
    call::Bill,
    public_http::{bill_of, refusal},
    transcribe,
};
use crate::AppState;

/// The announced length of a request's body.
pub(crate) fn announced(request: &HttpRequest) -> Option<u64> {
    request
        .headers()
        .get(header::CONTENT_LENGTH)?
        .to_str()
        .ok()?
        .parse()
        .ok()
}

/// Refuses what is no form before anything is read.
pub(crate) fn is_form(request: &HttpRequest) -> bool {
    request
        .headers()
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| {
            value
                .to_ascii_lowercase()
                .starts_with("multipart/form-data")
        })
}

/// Writes down what is said in a recording of at most 25 MB: field `file`; `model`, `language`, `prompt`, `temperature` and
/// `response_format` are handed on.
#[utoipa::path(post, path = "/api/integrations/ai/transcribe/", tag = "ai",
    request_body(content = String, content_type = "multipart/form-data"),
    responses((status = 200), (status = 400), (status = 401), (status = 403), (status = 413), (status = 415), (status = 429)))]
pub(crate) async fn transcribe_audio(
    caller: Allowed<OrganizationMember>,
    request: HttpRequest,
    payload: web::Payload,
    state: web::Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    if !is_form(&request) {
        return Err(service_http::extract::json::unsupported_type(""));
    }
    let bill = Bill {
        purpose: transcribe::PURPOSE.to_owned(),
        ..bill_of(&caller)?
    };
    let length = announced(&request);
    let form = Multipart::new(request.headers(), payload);
    let made = transcribe::transcribe(&state, bill, form, length)
        .await
        .map_err(refusal)?;
    Ok(HttpResponse::Ok().json(json!({
        "success": true,
        "text": made.text,
        "model": made.model,
        "provider": made.provider,
        "duration_seconds": made.seconds,
    })))
}
