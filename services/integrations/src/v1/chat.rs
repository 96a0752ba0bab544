//! `POST /v1/chat/completions`.

use actix_web::{HttpRequest, HttpResponse, dev::Payload, web};
use bytes::Bytes;
use serde_json::{Map, Value, json};
use service_http::{
    ApiError,
    body::{self, BodyLimits},
};

use super::{caller::AiCaller, chunks, dto, error};
use crate::{
    AppState,
    ai::{makers, public_http::call_name, service, stream},
};

/// Deepest nesting and most elements of a body are what the shared reader allows; the bytes are bounded before it.
async fn object(
    request: &HttpRequest,
    payload: web::Payload,
) -> Result<(Map<String, Value>, Bytes), ApiError> {
    let mut payload: Payload = payload.into_inner();
    let bytes = body::read(request, &mut payload, BodyLimits::default())
        .await
        .map_err(|refused| error::of_body(&refused))?;
    let object = service_http::extract::json::parse::<Map<String, Value>>(&bytes)
        .map_err(|_| error::not_json())?;
    Ok((object, bytes))
}

/// Continues a conversation, in one piece or as a stream.
#[utoipa::path(post, path = "/v1/chat/completions", tag = "openai",
    request_body(content = Object, description = "OpenAI's: model, messages, max_completion_tokens or max_tokens (1 to 4000), \
        temperature, top_p, stop, stream, stream_options.include_usage"),
    responses((status = 200), (status = 400), (status = 401), (status = 403), (status = 404), (status = 429), (status = 502)))]
pub(crate) async fn create_chat_completion(
    caller: AiCaller,
    request: HttpRequest,
    payload: web::Payload,
    state: web::Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    let (body, bytes) = object(&request, payload).await?;
    let mut bill = caller.bill("chat_completion");
    if let Some(key) = request
        .headers()
        .get("idempotency-key")
        .and_then(|value| value.to_str().ok())
        .filter(|key| !key.is_empty())
    {
        bill.keyed(key, &bytes);
    }
    let asked = dto::read(&body, bill)?;
    let known = makers::models(&state, caller.organization())
        .await
        .map_err(error::of_call)?;
    if !known.iter().any(|(model, _)| *model == asked.model) {
        return Err(error::no_model(&asked.model));
    }
    let created = state.now().timestamp();
    if asked.stream {
        let text = stream::stream(&state, asked.call, None)
            .await
            .map_err(error::of_call)?;
        return Ok(chunks::answer(text, created, asked.usage));
    }
    let made = service::generate(&state, asked.call, None)
        .await
        .map_err(error::of_call)?;
    Ok(HttpResponse::Ok()
        .insert_header(("X-Tabib-Provider", made.response.provider))
        .json(json!({
            "id": call_name(made.id),
            "object": "chat.completion",
            "created": created,
            "model": made.response.model,
            "choices": [{
                "index": 0,
                "message": {"role": "assistant", "content": made.response.text, "refusal": null},
                "logprobs": null,
                "finish_reason": made.finish.as_str(),
            }],
            "usage": made.response.usage,
        })))
}
