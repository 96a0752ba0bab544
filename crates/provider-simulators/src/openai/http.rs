//! `/openai/v1/…`.

use std::{convert::Infallible, time::Duration};

use actix_web::{
    HttpRequest, HttpResponse,
    http::{StatusCode, header},
    web,
};
use bytes::Bytes;
use futures_util::stream;
use serde_json::{Value, json};

use super::{AiAccount, AiBehaviour, AiCall, text};
use crate::server::Simulators;

const MODELS: [&str; 4] = ["gpt-4", "gpt-4.1-mini", "gpt-3.5-turbo", "whisper-1"];
/// Largest recording, in bytes.
const AUDIO_BYTES: usize = 25 * 1024 * 1024;

pub(crate) fn routes(config: &mut web::ServiceConfig) {
    config
        .route("/openai/behaviour", web::get().to(get_behaviour))
        .route("/openai/behaviour", web::put().to(put_behaviour))
        .route("/openai/v1/models", web::get().to(models))
        .route("/openai/v1/chat/completions", web::post().to(complete))
        .service(
            web::resource("/openai/v1/audio/transcriptions")
                .app_data(web::PayloadConfig::new(AUDIO_BYTES + 1024 * 1024))
                .route(web::post().to(transcribe)),
        );
}

async fn get_behaviour(state: web::Data<Simulators>) -> HttpResponse {
    HttpResponse::Ok().json(state.openai.behaviour())
}

async fn put_behaviour(body: web::Json<AiBehaviour>, state: web::Data<Simulators>) -> HttpResponse {
    state.openai.set_behaviour(body.into_inner());
    HttpResponse::Ok().json(state.openai.behaviour())
}

/// An error in OpenAI's shape.
fn error(status: u16, code: Option<&str>, message: &str) -> HttpResponse {
    let kind = match status {
        401 => "invalid_request_error",
        429 if code == Some("insufficient_quota") => "insufficient_quota",
        429 => "requests",
        500.. => "server_error",
        _ => "invalid_request_error",
    };
    HttpResponse::build(StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST))
        .json(json!({"error": {"message": message, "type": kind, "param": null, "code": code}}))
}

/// What every call goes through: delay, key, forced failure.
pub(crate) async fn busy(account: &AiAccount) -> Option<(u16, AiBehaviour)> {
    let behaviour = account.behaviour();
    tokio::time::sleep(Duration::from_millis(behaviour.delay_ms)).await;
    account.forced_failure().map(|status| (status, behaviour))
}

fn authorised(request: &HttpRequest, key: &str) -> bool {
    request
        .headers()
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| value == format!("Bearer {key}"))
}

async fn refused(state: &Simulators, request: &HttpRequest) -> Option<HttpResponse> {
    if let Some((status, behaviour)) = busy(&state.openai).await {
        let code = behaviour.fail_code.as_deref().or(match status {
            429 => Some("rate_limit_exceeded"),
            _ => None,
        });
        let message = match code {
            Some("insufficient_quota") => "You exceeded your current quota.",
            _ => "The server is having a bad day.",
        };
        let mut answer = error(status, code, message);
        if let Some(seconds) = behaviour.retry_after {
            answer
                .headers_mut()
                .insert(header::RETRY_AFTER, seconds.into());
        }
        return Some(answer);
    }
    if !authorised(request, &state.options.openai_api_key) {
        return Some(error(
            401,
            Some("invalid_api_key"),
            "Incorrect API key provided.",
        ));
    }
    None
}

fn seen(request: &HttpRequest, body: Value) -> AiCall {
    let headers = ["authorization", "content-type", "openai-organization"]
        .into_iter()
        .filter_map(|name| {
            let value = request.headers().get(name)?.to_str().ok()?;
            let shown = match name {
                "authorization" => "Bearer ***".to_owned(),
                _ => value.split(';').next().unwrap_or_default().to_owned(),
            };
            Some((name.to_owned(), shown))
        })
        .collect();
    AiCall {
        path: request.path().trim_start_matches("/openai").to_owned(),
        headers,
        body,
    }
}

async fn models(request: HttpRequest, state: web::Data<Simulators>) -> HttpResponse {
    if let Some(answer) = refused(&state, &request).await {
        return answer;
    }
    let data: Vec<Value> = MODELS
        .iter()
        .map(|id| json!({"id": id, "object": "model", "created": 1_687_882_411, "owned_by": "openai"}))
        .collect();
    HttpResponse::Ok().json(json!({"object": "list", "data": data}))
}

async fn complete(
    request: HttpRequest,
    body: web::Bytes,
    state: web::Data<Simulators>,
) -> HttpResponse {
    let Ok(body) = serde_json::from_slice::<Value>(&body) else {
        return error(
            400,
            None,
            "We could not parse the JSON body of your request.",
        );
    };
    state.openai.remember(seen(&request, body.clone()));
    if let Some(answer) = refused(&state, &request).await {
        return answer;
    }
    let behaviour = state.openai.behaviour();
    let Some(model) = body["model"].as_str().map(str::to_owned) else {
        return error(400, None, "you must provide a model parameter");
    };
    if !MODELS.contains(&model.as_str()) {
        let message = format!("The model `{model}` does not exist");
        return error(404, Some("model_not_found"), &message);
    }
    if body["messages"].as_array().is_none_or(Vec::is_empty) {
        return error(400, None, "[] is too short - 'messages'");
    }
    if behaviour.malformed {
        return HttpResponse::Ok()
            .content_type("application/json")
            .body("{\"choices\": [{\"message\": {\"conte");
    }
    let most = body["max_completion_tokens"]
        .as_u64()
        .or_else(|| body["max_tokens"].as_u64());
    let (reply, cut) = text::reply(&behaviour, &body["messages"], most);
    let (prompt, completion) = (text::count_messages(&body["messages"]), text::count(&reply));
    let usage = json!({
        "prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": 0}, "completion_tokens_details": {"reasoning_tokens": 0},
    });
    let finish = if cut { "length" } else { "stop" };
    if body["stream"] == true {
        let wanted = body["stream_options"]["include_usage"] == true && !behaviour.omit_usage;
        return chunks(&behaviour, &model, &reply, finish, wanted.then_some(&usage));
    }
    let mut answer = json!({
        "id": "chatcmpl-simulated", "object": "chat.completion", "created": chrono::Utc::now().timestamp(),
        "model": model,
        "choices": [{"index": 0, "message": {"role": "assistant", "content": reply, "refusal": null},
            "logprobs": null, "finish_reason": finish}],
        "usage": usage,
    });
    if behaviour.omit_usage {
        answer["usage"].take();
    }
    HttpResponse::Ok().json(answer)
}

fn chunks(
    behaviour: &AiBehaviour,
    model: &str,
    reply: &str,
    finish: &str,
    usage: Option<&Value>,
) -> HttpResponse {
    let chunk = |delta: Value, finish: Option<&str>| {
        let mut chunk = json!({
            "id": "chatcmpl-simulated", "object": "chat.completion.chunk", "created": 1, "model": model,
            "choices": [{"index": 0, "delta": delta, "logprobs": null, "finish_reason": finish}],
            "obfuscation": "x",
        });
        if usage.is_some() {
            chunk["usage"] = Value::Null;
        }
        format!("data: {chunk}\n\n")
    };
    let mut lines = vec![chunk(json!({"role": "assistant", "content": ""}), None)];
    lines.extend(
        text::parts(reply)
            .into_iter()
            .map(|part| chunk(json!({"content": part}), None)),
    );
    if let Some(after) = behaviour.cut_after {
        lines.truncate(after + 1);
        // Half an event: the connection went in the middle of it.
        lines.push("data: {\"id\": \"chatcmpl-sim".to_owned());
    } else if let Some(after) = behaviour.error_after {
        lines.truncate(after + 1);
        let failed = json!({"error": {"message": "The server had an error", "type": "server_error", "param": null, "code": null}});
        lines.push(format!("data: {failed}\n\n"));
    } else {
        lines.push(chunk(json!({}), Some(finish)));
        if let Some(usage) = usage {
            let last = json!({"id": "chatcmpl-simulated", "object": "chat.completion.chunk", "created": 1,
                "model": model, "choices": [], "usage": usage});
            lines.push(format!("data: {last}\n\n"));
        }
        lines.push("data: [DONE]\n\n".to_owned());
    }
    events(lines, behaviour.part_delay_ms)
}

/// Lines as a stream of events.
pub(crate) fn events(lines: Vec<String>, delay_ms: u64) -> HttpResponse {
    let body = stream::unfold(lines.into_iter(), move |mut lines| async move {
        let line = lines.next()?;
        tokio::time::sleep(Duration::from_millis(delay_ms)).await;
        Some((Ok::<_, Infallible>(Bytes::from(line)), lines))
    });
    HttpResponse::Ok()
        .content_type("text/event-stream; charset=utf-8")
        .streaming(body)
}

/// The fields of a form; the recording itself is only measured.
fn fields(content_type: &str, body: &[u8]) -> Option<Value> {
    let boundary = content_type.split("boundary=").nth(1)?.trim_matches('"');
    let marker = format!("--{boundary}");
    let mut all = serde_json::Map::new();
    for part in split(body, marker.as_bytes()).into_iter().skip(1) {
        let Some(at) = part.windows(4).position(|window| window == b"\r\n\r\n") else {
            continue;
        };
        let head = String::from_utf8_lossy(&part[..at]);
        let value = part[at + 4..]
            .strip_suffix(b"\r\n")
            .unwrap_or(&part[at + 4..]);
        let attribute = |name: &str| {
            let start = head.find(&format!("{name}=\""))? + name.len() + 2;
            let end = head[start..].find('"')? + start;
            Some(head[start..end].to_owned())
        };
        let name = attribute(" name")?;
        let shown = match attribute("filename") {
            Some(file) => json!({"filename": file, "bytes": value.len()}),
            None => Value::from(String::from_utf8_lossy(value).into_owned()),
        };
        all.insert(name, shown);
    }
    let closed = body.ends_with(format!("{marker}--\r\n").as_bytes());
    closed.then_some(Value::Object(all))
}

fn split<'a>(body: &'a [u8], marker: &[u8]) -> Vec<&'a [u8]> {
    let mut parts = Vec::new();
    let mut start = 0;
    let mut at = 0;
    while at + marker.len() <= body.len() {
        if &body[at..at + marker.len()] == marker {
            parts.push(&body[start..at]);
            at += marker.len();
            start = at;
        } else {
            at += 1;
        }
    }
    parts.push(&body[start..]);
    parts
}

async fn transcribe(
    request: HttpRequest,
    body: web::Bytes,
    state: web::Data<Simulators>,
) -> HttpResponse {
    let content_type = request
        .headers()
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let Some(form) = fields(content_type, &body) else {
        return error(400, None, "Could not parse multipart form");
    };
    state.openai.remember(seen(&request, form.clone()));
    if let Some(answer) = refused(&state, &request).await {
        return answer;
    }
    let behaviour = state.openai.behaviour();
    let Some(file) = form["file"]["filename"].as_str() else {
        return error(400, None, "file is required");
    };
    let known = [
        "flac", "mp3", "mp4", "mpeg", "mpga", "m4a", "ogg", "wav", "webm",
    ];
    if !file
        .rsplit('.')
        .next()
        .is_some_and(|end| known.contains(&end))
    {
        return error(400, None, "Unrecognized file format.");
    }
    let size = form["file"]["bytes"].as_u64().unwrap_or(0);
    if size > AUDIO_BYTES as u64 {
        return error(413, None, "Maximum content size limit (26214400) exceeded");
    }
    if form["model"].as_str().is_none() {
        return error(400, None, "you must provide a model parameter");
    }
    if behaviour.malformed {
        return HttpResponse::Ok()
            .content_type("application/json")
            .body("{\"text\": \"ha");
    }
    let said = behaviour
        .reply
        .unwrap_or_else(|| "از دیروز تب دارم".to_owned());
    // 32 kbit/s.
    let seconds = size.div_ceil(4_000);
    match form["response_format"].as_str() {
        None | Some("json") => HttpResponse::Ok()
            .json(json!({"text": said, "usage": {"type": "duration", "seconds": seconds}})),
        Some("verbose_json") => HttpResponse::Ok().json(json!({
            "task": "transcribe", "language": "persian", "duration": seconds, "text": said,
            "segments": [{"id": 0, "seek": 0, "start": 0.0, "end": seconds, "text": said, "tokens": [],
                "temperature": 0.0, "avg_logprob": -0.2, "compression_ratio": 1.0, "no_speech_prob": 0.01}],
            "usage": {"type": "duration", "seconds": seconds},
        })),
        Some("text") => HttpResponse::Ok()
            .content_type("text/plain; charset=utf-8")
            .body(format!("{said}\n")),
        Some("srt") => HttpResponse::Ok()
            .content_type("text/plain; charset=utf-8")
            .body(format!("1\n00:00:00,000 --> 00:00:01,000\n{said}\n\n")),
        Some("vtt") => HttpResponse::Ok()
            .content_type("text/plain; charset=utf-8")
            .body(format!("WEBVTT\n\n00:00.000 --> 00:01.000\n{said}\n\n")),
        Some(_) => error(400, None, "Invalid response_format"),
    }
}
