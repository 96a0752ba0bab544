//! A text as OpenAI's stream of `chat.completion.chunk`s.

use std::{convert::Infallible, time::Duration};

use actix_web::HttpResponse;
use bytes::Bytes;
use futures_util::stream;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::error;
use crate::ai::stream::{Part, Streaming};

/// A comment is sent when nothing else was for so long: proxies keep the connection, and a client that left is noticed.
const QUIET: Duration = Duration::from_secs(15);

/// What every chunk says.
struct Frame {
    id: String,
    created: i64,
    model: String,
    /// Whether usage is told at the end.
    usage: bool,
}

impl Frame {
    fn chunk(&self, delta: &Value, finish: Option<&str>) -> String {
        let mut chunk = json!({
            "id": self.id,
            "object": "chat.completion.chunk",
            "created": self.created,
            "model": self.model,
            "choices": [{"index": 0, "delta": delta, "logprobs": null, "finish_reason": finish}],
        });
        if self.usage {
            chunk["usage"] = Value::Null;
        }
        format!("data: {chunk}\n\n")
    }

    fn write(&self, part: &Part) -> String {
        match part {
            Part::Text(text) => self.chunk(&json!({"content": text}), None),
            Part::End { usage, finish, .. } => {
                let mut all = self.chunk(&json!({}), Some(finish.as_str()));
                if self.usage {
                    let last = json!({
                        "id": self.id, "object": "chat.completion.chunk", "created": self.created,
                        "model": self.model, "choices": [], "usage": usage,
                    });
                    all.push_str(&format!("data: {last}\n\n"));
                }
                all.push_str("data: [DONE]\n\n");
                all
            }
            Part::Broken(failure) => format!("data: {}\n\n", error::broken(failure)),
        }
    }
}

enum Reading {
    Begin,
    Parts,
}

/// The stream of a text.
pub(super) fn answer(text: Streaming, created: i64, usage: bool) -> HttpResponse {
    let frame = Frame {
        id: crate::ai::public_http::call_name(text.id),
        created,
        model: text.model,
        usage,
    };
    let provider = text.provider;
    let start: (Frame, mpsc::Receiver<Part>, Reading) = (frame, text.parts, Reading::Begin);
    let body = stream::unfold(start, |(frame, mut parts, reading)| async move {
        let text = match reading {
            Reading::Begin => frame.chunk(&json!({"role": "assistant", "content": ""}), None),
            Reading::Parts => match tokio::time::timeout(QUIET, parts.recv()).await {
                Err(_) => ": still there\n\n".to_owned(),
                Ok(None) => return None,
                Ok(Some(part)) => frame.write(&part),
            },
        };
        let bytes = Ok::<_, Infallible>(Bytes::from(text));
        Some((bytes, (frame, parts, Reading::Parts)))
    });
    HttpResponse::Ok()
        .content_type("text/event-stream; charset=utf-8")
        .insert_header(("Cache-Control", "no-cache"))
        .insert_header(("X-Accel-Buffering", "no"))
        .insert_header(("X-Tabib-Provider", provider))
        .streaming(body)
}
