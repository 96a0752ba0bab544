//! `/talkbot/v1/…`.

use actix_web::{HttpRequest, HttpResponse, http::StatusCode, http::header, web};
use serde_json::{Value, json};

use crate::{
    openai::{self, AiBehaviour, AiCall, text},
    server::Simulators,
};

pub(crate) fn routes(config: &mut web::ServiceConfig) {
    config
        .route("/talkbot/behaviour", web::get().to(get_behaviour))
        .route("/talkbot/behaviour", web::put().to(put_behaviour))
        .route("/talkbot/v1/chat/completions", web::post().to(complete))
        .route(
            "/talkbot/v1/media/speech-to-text/REQ",
            web::post().to(speech_to_text),
        );
}

async fn get_behaviour(state: web::Data<Simulators>) -> HttpResponse {
    HttpResponse::Ok().json(state.talkbot.behaviour())
}

async fn put_behaviour(body: web::Json<AiBehaviour>, state: web::Data<Simulators>) -> HttpResponse {
    state.talkbot.set_behaviour(body.into_inner());
    HttpResponse::Ok().json(state.talkbot.behaviour())
}

/// Error bodies are not documented: plain text, so that no client relies on more than the status.
fn error(status: u16, words: &str) -> HttpResponse {
    HttpResponse::build(StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST))
        .content_type("text/plain; charset=utf-8")
        .body(words.to_owned())
}

async fn refused(state: &Simulators, request: &HttpRequest) -> Option<HttpResponse> {
    if let Some((status, _)) = openai::busy(&state.talkbot).await {
        return Some(error(status, "service error"));
    }
    let key = request
        .headers()
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok());
    (key != Some(format!("Bearer {}", state.options.talkbot_api_key).as_str()))
        .then(|| error(401, "unauthorized"))
}

fn read(request: &HttpRequest, state: &Simulators, body: &[u8]) -> Option<Value> {
    let body: Value = serde_json::from_slice(body).ok()?;
    state.talkbot.remember(AiCall {
        path: request.path().trim_start_matches("/talkbot").to_owned(),
        headers: Vec::new(),
        body: body.clone(),
    });
    Some(body)
}

async fn complete(
    request: HttpRequest,
    body: web::Bytes,
    state: web::Data<Simulators>,
) -> HttpResponse {
    let Some(body) = read(&request, &state, &body) else {
        return error(400, "bad request");
    };
    if let Some(answer) = refused(&state, &request).await {
        return answer;
    }
    let behaviour = state.talkbot.behaviour();
    if behaviour.malformed {
        return HttpResponse::Ok()
            .content_type("application/json")
            .body("<html>busy</html>");
    }
    let (reply, cut) = text::reply(&behaviour, &body["messages"], body["max_tokens"].as_u64());
    let (prompt, completion) = (text::count_messages(&body["messages"]), text::count(&reply));
    let mut answer = json!({
        "id": "tb-simulated", "object": "chat.completion", "created": 1, "model": body["model"],
        "choices": [{"index": 0, "message": {"role": "assistant", "content": reply},
            "finish_reason": if cut { "length" } else { "stop" }}],
    });
    if !behaviour.omit_usage {
        answer["usage"] = json!({"prompt_tokens": prompt, "completion_tokens": completion,
            "total_tokens": prompt + completion});
    }
    HttpResponse::Ok().json(answer)
}

async fn speech_to_text(
    request: HttpRequest,
    body: web::Bytes,
    state: web::Data<Simulators>,
) -> HttpResponse {
    let Some(body) = read(&request, &state, &body) else {
        return error(400, "bad request");
    };
    if let Some(answer) = refused(&state, &request).await {
        return answer;
    }
    let public = body["url"]
        .as_str()
        .and_then(|text| url::Url::parse(text).ok())
        .is_some_and(|url| matches!(url.scheme(), "http" | "https"));
    if !public {
        return HttpResponse::Ok()
            .json(json!({"response": {"code": 400, "message": "url is not valid"}}));
    }
    let said = state
        .talkbot
        .behaviour()
        .reply
        .unwrap_or_else(|| "از دیروز تب دارم".to_owned());
    HttpResponse::Ok()
        .json(json!({"response": {"code": 200, "output": said, "message": "success"}}))
}
