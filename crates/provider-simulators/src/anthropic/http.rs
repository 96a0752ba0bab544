//! `/anthropic/v1/…`.

use actix_web::{HttpRequest, HttpResponse, http::StatusCode, http::header, web};
use serde_json::{Value, json};

use crate::{
    openai::{self, AiBehaviour, AiCall, text},
    server::Simulators,
};

pub(crate) fn routes(config: &mut web::ServiceConfig) {
    config
        .route("/anthropic/behaviour", web::get().to(get_behaviour))
        .route("/anthropic/behaviour", web::put().to(put_behaviour))
        .route("/anthropic/v1/models", web::get().to(models))
        .route("/anthropic/v1/messages", web::post().to(messages));
}

async fn get_behaviour(state: web::Data<Simulators>) -> HttpResponse {
    HttpResponse::Ok().json(state.anthropic.behaviour())
}

async fn put_behaviour(body: web::Json<AiBehaviour>, state: web::Data<Simulators>) -> HttpResponse {
    state.anthropic.set_behaviour(body.into_inner());
    HttpResponse::Ok().json(state.anthropic.behaviour())
}

fn error(status: u16, message: &str) -> HttpResponse {
    let kind = match status {
        400 => "invalid_request_error",
        401 => "authentication_error",
        403 => "permission_error",
        404 => "not_found_error",
        413 => "request_too_large",
        429 => "rate_limit_error",
        529 => "overloaded_error",
        _ => "api_error",
    };
    HttpResponse::build(StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST))
        .json(json!({"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_simulated"}))
}

async fn refused(state: &Simulators, request: &HttpRequest) -> Option<HttpResponse> {
    if let Some((status, behaviour)) = openai::busy(&state.anthropic).await {
        let mut answer = error(status, "Overloaded");
        if let Some(seconds) = behaviour.retry_after {
            answer
                .headers_mut()
                .insert(header::RETRY_AFTER, seconds.into());
        }
        return Some(answer);
    }
    let value = |name: &str| {
        request
            .headers()
            .get(name)
            .and_then(|value| value.to_str().ok())
    };
    if value("x-api-key") != Some(state.options.anthropic_api_key.as_str()) {
        return Some(error(401, "invalid x-api-key"));
    }
    if value("anthropic-version").is_none() {
        return Some(error(400, "anthropic-version: header is required"));
    }
    None
}

async fn models(request: HttpRequest, state: web::Data<Simulators>) -> HttpResponse {
    if let Some(answer) = refused(&state, &request).await {
        return answer;
    }
    HttpResponse::Ok().json(json!({
        "data": [{"type": "model", "id": "claude-sonnet-4-5", "display_name": "Claude", "created_at": "2025-09-29T00:00:00Z"}],
        "has_more": false, "first_id": "claude-sonnet-4-5", "last_id": "claude-sonnet-4-5",
    }))
}

/// What the vendor refuses of a body.
fn fault(body: &Value) -> Option<&'static str> {
    if !body["model"].is_string() {
        return Some("model: Field required");
    }
    if body["max_tokens"].as_u64().is_none_or(|most| most == 0) {
        return Some("max_tokens: Field required");
    }
    if body["temperature"]
        .as_f64()
        .is_some_and(|value| value > 1.0)
    {
        return Some("temperature: range: 0..1");
    }
    if body["temperature"].is_number() && body["top_p"].is_number() {
        return Some("`temperature` and `top_p` cannot both be specified for this model.");
    }
    let Some(messages) = body["messages"].as_array().filter(|all| !all.is_empty()) else {
        return Some("messages: at least one message is required");
    };
    if messages
        .iter()
        .any(|message| !matches!(message["role"].as_str(), Some("user" | "assistant")))
    {
        return Some("messages: Unexpected role. Allowed are \"user\" or \"assistant\".");
    }
    if messages[0]["role"] != "user" {
        return Some("messages: first message must use the \"user\" role");
    }
    messages
        .windows(2)
        .any(|pair| pair[0]["role"] == pair[1]["role"])
        .then_some("messages: roles must alternate between \"user\" and \"assistant\"")
}

async fn messages(
    request: HttpRequest,
    body: web::Bytes,
    state: web::Data<Simulators>,
) -> HttpResponse {
    let Ok(body) = serde_json::from_slice::<Value>(&body) else {
        return error(400, "The request body is not valid JSON");
    };
    state.anthropic.remember(AiCall {
        path: "/v1/messages".to_owned(),
        headers: ["anthropic-version", "content-type"]
            .into_iter()
            .filter_map(|name| {
                let value = request.headers().get(name)?.to_str().ok()?;
                Some((name.to_owned(), value.to_owned()))
            })
            .collect(),
        body: body.clone(),
    });
    if let Some(answer) = refused(&state, &request).await {
        return answer;
    }
    if let Some(fault) = fault(&body) {
        return error(400, fault);
    }
    let behaviour = state.anthropic.behaviour();
    if behaviour.malformed {
        return HttpResponse::Ok()
            .content_type("application/json")
            .body("{\"content\": [{\"ty");
    }
    let (reply, cut) = text::reply(&behaviour, &body["messages"], body["max_tokens"].as_u64());
    let input = text::count_messages(&body["messages"]);
    let output = text::count(&reply);
    let stop = if cut { "max_tokens" } else { "end_turn" };
    if body["stream"] == true {
        return stream(&behaviour, &body["model"], &reply, stop, input, output);
    }
    HttpResponse::Ok().json(json!({
        "id": "msg_simulated", "type": "message", "role": "assistant", "model": body["model"],
        "content": [{"type": "text", "text": reply}], "stop_reason": stop, "stop_sequence": null,
        "usage": {"input_tokens": input, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0,
            "output_tokens": output},
    }))
}

fn stream(
    behaviour: &AiBehaviour,
    model: &Value,
    reply: &str,
    stop: &str,
    input: usize,
    output: usize,
) -> HttpResponse {
    let event = |data: Value| {
        format!(
            "event: {}\ndata: {data}\n\n",
            data["type"].as_str().unwrap_or_default()
        )
    };
    let mut lines = vec![
        event(json!({"type": "message_start", "message": {
            "id": "msg_simulated", "type": "message", "role": "assistant", "model": model, "content": [],
            "stop_reason": null, "stop_sequence": null, "usage": {"input_tokens": input, "output_tokens": 1}}})),
        event(
            json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}),
        ),
        event(json!({"type": "ping"})),
    ];
    let before = lines.len();
    lines.extend(text::parts(reply).into_iter().map(|part| {
        event(json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": part}}))
    }));
    if let Some(after) = behaviour.cut_after {
        lines.truncate(before + after);
    } else if let Some(after) = behaviour.error_after {
        lines.truncate(before + after);
        lines.push(event(
            json!({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}),
        ));
    } else {
        lines.push(event(json!({"type": "content_block_stop", "index": 0})));
        lines.push(event(
            json!({"type": "message_delta", "delta": {"stop_reason": stop, "stop_sequence": null},
            "usage": {"output_tokens": output}}),
        ));
        lines.push(event(json!({"type": "message_stop"})));
    }
    openai::events(lines, behaviour.part_delay_ms)
}
