//! `POST /v1/audio/transcriptions`.

use actix_multipart::Multipart;
use actix_web::{HttpRequest, HttpResponse, web};
use service_http::ApiError;

use super::{caller::AiCaller, error};
use crate::{
    AppState,
    ai::{
        audio_http::{announced, is_form},
        transcribe,
    },
};

/// Writes down what is said in a recording of at most 25 MB, in the format that was asked for.
#[utoipa::path(post, path = "/v1/audio/transcriptions", tag = "openai",
    request_body(content = String, content_type = "multipart/form-data"),
    responses((status = 200), (status = 400), (status = 401), (status = 403), (status = 413), (status = 429), (status = 502)))]
pub(crate) async fn create_transcription(
    caller: AiCaller,
    request: HttpRequest,
    payload: web::Payload,
    state: web::Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    if !is_form(&request) {
        return Err(error::invalid(
            "file",
            "invalid_content_type",
            "A multipart/form-data body is expected.",
        ));
    }
    let bill = caller.bill(transcribe::PURPOSE);
    let length = announced(&request);
    let form = Multipart::new(request.headers(), payload);
    let made = transcribe::transcribe(&state, bill, form, length)
        .await
        .map_err(error::of_call)?;
    Ok(HttpResponse::Ok()
        .content_type(made.transcript.content_type)
        .insert_header(("X-Tabib-Provider", made.provider))
        .body(made.transcript.body))
}
