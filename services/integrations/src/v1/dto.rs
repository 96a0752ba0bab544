//! The body of `chat/completions`, read by hand: every refusal names its parameter in OpenAI's shape.

use serde_json::{Map, Value};
use service_http::ApiError;

use super::error::invalid;
use crate::{
    ai::call::{Bill, Call},
    providers::ai::{ChatMessage, Role},
};

/// Most tokens of an answer when the caller does not say.
const DEFAULT_TOKENS: u32 = 1_000;
const MOST_TOKENS: u64 = 4_000;
const MOST_MESSAGES: usize = 200;
const MOST_STOPS: usize = 4;

/// Parameters that change nothing in the answer's text, or only ask for what is done anyway; they are not handed on.
const IGNORED: [&str; 12] = [
    "user",
    "safety_identifier",
    "prompt_cache_key",
    "prompt_cache_retention",
    "metadata",
    "store",
    "service_tier",
    "seed",
    "parallel_tool_calls",
    "stream",
    "stream_options",
    "model",
];
/// Parameters that are understood.
const KNOWN: [&str; 6] = [
    "messages",
    "max_tokens",
    "max_completion_tokens",
    "temperature",
    "top_p",
    "stop",
];

/// What was asked for.
pub(super) struct Asked {
    pub(super) model: String,
    pub(super) call: Call,
    pub(super) stream: bool,
    /// Whether the stream tells its usage.
    pub(super) usage: bool,
}

/// Reads and checks a body.
///
/// # Errors
/// 400 naming the parameter.
pub(super) fn read(body: &Map<String, Value>, bill: Bill) -> Result<Asked, ApiError> {
    for (name, value) in body {
        if !(value.is_null()
            || KNOWN.contains(&name.as_str())
            || IGNORED.contains(&name.as_str())
            || is_default(name, value))
        {
            let message = format!("Unsupported parameter: '{name}' is not supported here.");
            return Err(invalid(name, "unsupported_parameter", &message));
        }
    }
    let model = match body.get("model") {
        Some(Value::String(model)) if !model.is_empty() => model.clone(),
        _ => {
            return Err(invalid(
                "model",
                "missing_required_parameter",
                "you must provide a model parameter",
            ));
        }
    };
    let flag = |name: &str, value: Option<&Value>| match value {
        None | Some(Value::Null) => Ok(false),
        Some(Value::Bool(flag)) => Ok(*flag),
        Some(_) => Err(invalid(name, "invalid_type", "A boolean is expected.")),
    };
    let stream = flag("stream", body.get("stream"))?;
    let usage = flag(
        "stream_options",
        body.get("stream_options")
            .and_then(|options| options.get("include_usage")),
    )?;
    let max_tokens = tokens(body)?;
    let temperature = number(body, "temperature", 2.0)?.unwrap_or(0.7);
    let call = Call {
        bill,
        messages: messages(body.get("messages"))?,
        max_tokens,
        temperature,
        top_p: number(body, "top_p", 1.0)?,
        stop: stops(body.get("stop"))?,
        model: Some(model.clone()),
        language: None,
    };
    Ok(Asked {
        model,
        call,
        stream,
        usage,
    })
}

/// Values by which a parameter asks for nothing special.
fn is_default(name: &str, value: &Value) -> bool {
    match name {
        "n" => value == 1,
        "presence_penalty" | "frequency_penalty" | "top_logprobs" => value.as_f64() == Some(0.0),
        "logprobs" => value == false,
        "response_format" => value["type"] == "text",
        "modalities" => *value == serde_json::json!(["text"]),
        "tools" | "functions" => value.as_array().is_some_and(Vec::is_empty),
        "tool_choice" => value == "none" || value == "auto",
        "logit_bias" => value.as_object().is_some_and(Map::is_empty),
        _ => false,
    }
}

fn tokens(body: &Map<String, Value>) -> Result<u32, ApiError> {
    for name in ["max_completion_tokens", "max_tokens"] {
        match body.get(name) {
            None | Some(Value::Null) => {}
            Some(value) => {
                return value
                    .as_u64()
                    .filter(|tokens| (1..=MOST_TOKENS).contains(tokens))
                    .and_then(|tokens| u32::try_from(tokens).ok())
                    .ok_or_else(|| {
                        let message =
                            format!("{name} must be a whole number from 1 to {MOST_TOKENS}.");
                        invalid(name, "invalid_value", &message)
                    });
            }
        }
    }
    Ok(DEFAULT_TOKENS)
}

fn number(body: &Map<String, Value>, name: &str, most: f64) -> Result<Option<f32>, ApiError> {
    match body.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => {
            let number = value
                .as_f64()
                .filter(|number| (0.0..=most).contains(number))
                .ok_or_else(|| {
                    let message = format!("{name} must be a number from 0 to {most}.");
                    invalid(name, "invalid_value", &message)
                })?;
            // Between 0 and 2: nothing is lost that a model would notice.
            #[allow(clippy::cast_possible_truncation)]
            Ok(Some(number as f32))
        }
    }
}

fn stops(value: Option<&Value>) -> Result<Vec<String>, ApiError> {
    let refuse = || {
        invalid(
            "stop",
            "invalid_value",
            "stop must be a text or up to 4 texts.",
        )
    };
    match value {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::String(text)) => Ok(vec![text.clone()]),
        Some(Value::Array(items)) if items.len() <= MOST_STOPS => items
            .iter()
            .map(|item| item.as_str().map(str::to_owned).ok_or_else(refuse))
            .collect(),
        Some(_) => Err(refuse()),
    }
}

fn messages(value: Option<&Value>) -> Result<Vec<ChatMessage>, ApiError> {
    let Some(Value::Array(items)) = value else {
        return Err(invalid(
            "messages",
            "missing_required_parameter",
            "Missing required parameter: 'messages'.",
        ));
    };
    if items.is_empty() || items.len() > MOST_MESSAGES {
        let message = format!("messages must hold 1 to {MOST_MESSAGES} messages.");
        return Err(invalid("messages", "invalid_value", &message));
    }
    items
        .iter()
        .enumerate()
        .map(|(index, item)| message(index, item))
        .collect()
}

fn message(index: usize, item: &Value) -> Result<ChatMessage, ApiError> {
    let param = format!("messages[{index}]");
    let role = match item["role"].as_str() {
        Some("system" | "developer") => Role::System,
        Some("user") => Role::User,
        Some("assistant") => Role::Assistant,
        _ => {
            return Err(invalid(
                &format!("{param}.role"),
                "invalid_value",
                "Supported values are: 'system', 'developer', 'user' and 'assistant'.",
            ));
        }
    };
    let content = match &item["content"] {
        Value::String(text) => text.clone(),
        Value::Array(parts) => parts
            .iter()
            .map(
                |part| match (part["type"].as_str(), part["text"].as_str()) {
                    (Some("text"), Some(text)) => Ok(text),
                    _ => Err(invalid(
                        &format!("{param}.content"),
                        "invalid_value",
                        "Only parts of type 'text' are supported.",
                    )),
                },
            )
            .collect::<Result<Vec<_>, _>>()?
            .join("\n"),
        _ => {
            return Err(invalid(
                &format!("{param}.content"),
                "invalid_type",
                "A text or an array of parts is expected.",
            ));
        }
    };
    Ok(ChatMessage { role, content })
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use uuid::Uuid;

    use super::*;

    fn read_json(body: Value) -> Result<Asked, ApiError> {
        let bill = Bill::new("api_key:x".to_owned(), "chat", Uuid::nil());
        read(body.as_object().unwrap(), bill)
    }

    #[test]
    fn what_would_change_the_answer_is_refused_by_name() {
        let base = json!({"model": "gpt-4", "messages": [{"role": "user", "content": "hi"}]});
        assert!(read_json(base.clone()).is_ok());
        for (name, value) in [
            ("tools", json!([{"type": "function"}])),
            ("n", json!(2)),
            ("response_format", json!({"type": "json_object"})),
            ("logprobs", json!(true)),
            ("presence_penalty", json!(1)),
            ("temperature", json!(3)),
            ("max_tokens", json!(0)),
            ("max_completion_tokens", json!(4_001)),
            ("stop", json!([1])),
            ("stream", json!("yes")),
            ("messages", json!([])),
            ("messages", json!([{"role": "tool", "content": "x"}])),
            (
                "messages",
                json!([{"role": "user", "content": [{"type": "image_url"}]}]),
            ),
            ("model", json!("")),
        ] {
            let mut wrong = base.clone();
            wrong[name] = value.clone();
            let refused = read_json(wrong)
                .err()
                .unwrap_or_else(|| panic!("{name} {value}"));
            assert_eq!(refused.status(), 400, "{name}");
        }
        for (name, value) in [
            ("n", json!(1)),
            ("user", json!("u1")),
            ("tools", json!([])),
            ("response_format", json!({"type": "text"})),
            ("seed", json!(7)),
            ("stop", json!("END")),
            ("logprobs", json!(null)),
        ] {
            let mut fine = base.clone();
            fine[name] = value;
            assert!(read_json(fine).is_ok(), "{name}");
        }
    }
}
