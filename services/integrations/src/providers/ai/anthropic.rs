//! Anthropic's Messages API (docs.anthropic.com, version 2023-06-01) behind the same trait: instructions stand apart from
//! the conversation, temperatures end at 1, and a busy provider answers 529.

use std::time::{Duration, Instant};

use async_trait::async_trait;
use common_types::internal::integrations::AiUsage;
use futures_util::{StreamExt, stream};
use serde_json::{Value, json};
use service_config::Secret;

use super::{
    Finish, Piece, Pieces, Role, TextAnswer, TextError, TextProvider, TextRequest, estimate_tokens,
    openai::Times,
    retry::{self, ErrorShape},
    sse, tidy,
};

/// The version of the protocol that is spoken.
const VERSION: &str = "2023-06-01";

/// `{"type": "error", "error": {"type", "message"}}`.
const ERRORS: ErrorShape = ErrorShape {
    message: |body| body["error"]["message"].as_str(),
    spent: |body| body["error"]["type"] == "billing_error",
};

/// Client of one account.
pub struct Anthropic {
    http: reqwest::Client,
    base_url: String,
    api_key: Secret,
    default_model: String,
    models: Vec<String>,
    times: Times,
}

impl Anthropic {
    /// A client of the account of `api_key` at `base_url` (no final slash, without `/v1`).
    pub fn new(
        http: reqwest::Client,
        base_url: String,
        api_key: Secret,
        default_model: String,
        models: Vec<String>,
        times: Times,
    ) -> Self {
        Self {
            http,
            base_url,
            api_key,
            default_model,
            models,
            times,
        }
    }

    async fn ask(&self, body: &Value, deadline: Instant) -> Result<reqwest::Response, TextError> {
        retry::send(deadline, &ERRORS, |left| {
            self.http
                .post(format!("{}/v1/messages", self.base_url))
                .header("x-api-key", self.api_key.expose())
                .header("anthropic-version", VERSION)
                .timeout(left)
                .json(body)
        })
        .await
    }

    fn body(&self, request: &TextRequest<'_>) -> Value {
        let mut body = json!({
            "model": request.model.unwrap_or(&self.default_model),
            "max_tokens": request.max_tokens,
            "messages": turns(request),
        });
        if let Some(system) = request.instructions() {
            body["system"] = json!(system);
        }
        // The newer models take one of the two, never both.
        match request.top_p {
            Some(top_p) => body["top_p"] = json!(tidy(top_p)),
            None => body["temperature"] = json!(tidy(request.temperature.min(1.0))),
        }
        if !request.stop.is_empty() {
            body["stop_sequences"] = json!(request.stop);
        }
        body
    }
}

/// The conversation without instructions; it must begin with the user and take turns.
fn turns(request: &TextRequest<'_>) -> Vec<Value> {
    let mut turns: Vec<(Role, String)> = Vec::new();
    for message in request.messages {
        if message.role == Role::System {
            continue;
        }
        match turns.last_mut() {
            Some((role, text)) if *role == message.role => {
                text.push_str("\n\n");
                text.push_str(&message.content);
            }
            _ => turns.push((message.role, message.content.clone())),
        }
    }
    if turns.first().is_none_or(|(role, _)| *role != Role::User) {
        turns.insert(0, (Role::User, "…".to_owned()));
    }
    turns
        .into_iter()
        .map(|(role, text)| json!({"role": role.as_str(), "content": text}))
        .collect()
}

fn finish(reason: &Value) -> Finish {
    match reason.as_str() {
        Some("max_tokens") => Finish::Length,
        Some("refusal") => Finish::Filter,
        _ => Finish::Stop,
    }
}

/// All the tokens of the prompt, those read from or written to a cache too.
fn input_tokens(usage: &Value) -> Option<i64> {
    let count = |name: &str| usage[name].as_i64().filter(|n| *n >= 0);
    Some(
        count("input_tokens")?
            + count("cache_creation_input_tokens").unwrap_or(0)
            + count("cache_read_input_tokens").unwrap_or(0),
    )
}

#[async_trait]
impl TextProvider for Anthropic {
    fn default_model(&self) -> &str {
        &self.default_model
    }

    fn models(&self) -> &[String] {
        &self.models
    }

    fn may_know(&self, model: &str) -> bool {
        model.starts_with("claude")
    }

    async fn generate(&self, request: &TextRequest<'_>) -> Result<TextAnswer, TextError> {
        let deadline = Instant::now() + self.times.call;
        let answer = self.ask(&self.body(request), deadline).await?;
        let value: Value = answer.json().await.map_err(|error| {
            if error.is_timeout() {
                TextError::Network("timeout")
            } else {
                TextError::Unreadable
            }
        })?;
        let blocks = value["content"].as_array().ok_or(TextError::Unreadable)?;
        let text: String = blocks
            .iter()
            .filter_map(|block| block["text"].as_str())
            .collect();
        let prompt_tokens =
            input_tokens(&value["usage"]).unwrap_or_else(|| request.prompt_tokens());
        let completion_tokens = value["usage"]["output_tokens"]
            .as_i64()
            .unwrap_or_else(|| estimate_tokens(&text));
        let usage = AiUsage {
            prompt_tokens,
            completion_tokens,
            total_tokens: prompt_tokens + completion_tokens,
        };
        Ok(TextAnswer {
            text,
            model: value["model"]
                .as_str()
                .or(request.model)
                .unwrap_or(&self.default_model)
                .to_owned(),
            usage,
            raw_usage: json!(usage),
            finish: finish(&value["stop_reason"]),
        })
    }

    async fn stream(&self, request: &TextRequest<'_>) -> Result<Pieces, TextError> {
        let mut body = self.body(request);
        body["stream"] = json!(true);
        let answer = self.ask(&body, Instant::now() + self.times.stream).await?;
        let reading = Reading {
            events: Box::pin(sse::events(Box::pin(answer.bytes_stream()))),
            model: request.model.unwrap_or(&self.default_model).to_owned(),
            prompt_tokens: None,
            completion_tokens: None,
            finish: Finish::Stop,
            ended: false,
        };
        Ok(Box::pin(stream::try_unfold(reading, Reading::next)))
    }

    async fn health(&self) -> Result<Value, String> {
        let asked = self
            .http
            .get(format!("{}/v1/models", self.base_url))
            .header("x-api-key", self.api_key.expose())
            .header("anthropic-version", VERSION)
            .timeout(Duration::from_secs(5))
            .send()
            .await;
        match asked {
            Ok(answer) if answer.status().is_success() => Ok(json!({"model": self.default_model})),
            Ok(answer) => Err(format!("HTTP {}", answer.status().as_u16())),
            Err(_) => Err("Network error: the provider cannot be reached".to_owned()),
        }
    }
}

/// A text that is being read.
struct Reading {
    events: stream::BoxStream<'static, Result<sse::Event, TextError>>,
    model: String,
    prompt_tokens: Option<i64>,
    completion_tokens: Option<i64>,
    finish: Finish,
    ended: bool,
}

impl Reading {
    async fn next(mut self) -> Result<Option<(Piece, Self)>, TextError> {
        if self.ended {
            return Ok(None);
        }
        while let Some(event) = self.events.next().await {
            let event = event?;
            let data: Value =
                serde_json::from_str(&event.data).map_err(|_| TextError::Unreadable)?;
            match data["type"].as_str() {
                Some("message_start") => {
                    let message = &data["message"];
                    if let Some(model) = message["model"].as_str() {
                        model.clone_into(&mut self.model);
                    }
                    self.prompt_tokens = input_tokens(&message["usage"]);
                }
                Some("content_block_delta") => {
                    if let Some(text) = data["delta"]["text"].as_str()
                        && !text.is_empty()
                    {
                        return Ok(Some((Piece::Text(text.to_owned()), self)));
                    }
                }
                Some("message_delta") => {
                    self.finish = finish(&data["delta"]["stop_reason"]);
                    self.completion_tokens = data["usage"]["output_tokens"].as_i64();
                }
                Some("message_stop") => return Ok(Some(self.end())),
                Some("error") => return Err(TextError::Interrupted),
                // Pings, block boundaries and what a later version may add.
                _ => {}
            }
        }
        Err(TextError::Interrupted)
    }

    fn end(mut self) -> (Piece, Self) {
        self.ended = true;
        let usage = self.prompt_tokens.zip(self.completion_tokens).map(
            |(prompt_tokens, completion_tokens)| AiUsage {
                prompt_tokens,
                completion_tokens,
                total_tokens: prompt_tokens + completion_tokens,
            },
        );
        let piece = Piece::End {
            model: self.model.clone(),
            usage,
            finish: self.finish,
        };
        (piece, self)
    }
}
