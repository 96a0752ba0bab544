//! Chat completions of OpenAI's shape (providers.md 7): OpenAI itself, TalkBot, and whatever else speaks it.

use std::time::{Duration, Instant};

use async_trait::async_trait;
use common_types::internal::integrations::AiUsage;
use futures_util::{StreamExt, stream};
use serde_json::{Value, json};
use service_config::Secret;

use super::{
    Finish, Piece, Pieces, TextAnswer, TextError, TextProvider, TextRequest, estimate_tokens,
    retry::{self, ErrorShape},
    sse, tidy,
};

/// `{"error": {"message", "type", "param", "code"}}`.
const ERRORS: ErrorShape = ErrorShape {
    message: |body| body["error"]["message"].as_str(),
    spent: |body| body["error"]["code"] == "insufficient_quota",
};

/// An account that speaks OpenAI's protocol.
#[derive(Clone)]
pub struct Account {
    /// Base address, without a final slash.
    pub base_url: String,
    /// Its key.
    pub api_key: Secret,
    /// Model when the caller names none.
    pub default_model: String,
    /// Models that may be asked for by name.
    pub models: Vec<String>,
    /// Whether the vendor documents streaming (TalkBot does not).
    pub streams: bool,
}

/// How long calls may take.
#[derive(Clone, Copy)]
pub struct Times {
    /// A call with its retries.
    pub call: Duration,
    /// A text that is handed over as it is made, or a recording.
    pub stream: Duration,
}

/// Client of one account.
pub struct OpenAi {
    pub(super) http: reqwest::Client,
    pub(super) account: Account,
    pub(super) times: Times,
}

impl OpenAi {
    /// A client of `account`.
    pub fn new(http: reqwest::Client, account: Account, times: Times) -> Self {
        Self {
            http,
            account,
            times,
        }
    }

    pub(super) fn address(&self, path: &str) -> String {
        format!("{}/{path}", self.account.base_url)
    }

    pub(super) fn errors() -> &'static ErrorShape {
        &ERRORS
    }

    async fn complete(
        &self,
        body: &Value,
        deadline: Instant,
    ) -> Result<reqwest::Response, TextError> {
        retry::send(deadline, &ERRORS, |left| {
            self.http
                .post(self.address("chat/completions"))
                .bearer_auth(self.account.api_key.expose())
                .timeout(left)
                .json(body)
        })
        .await
    }

    fn body(&self, request: &TextRequest<'_>) -> Value {
        let messages: Vec<Value> = request
            .messages
            .iter()
            .map(|message| json!({"role": message.role.as_str(), "content": message.content}))
            .collect();
        let mut body = json!({
            "model": request.model.unwrap_or(&self.account.default_model),
            "messages": messages,
            "max_tokens": request.max_tokens,
            "temperature": tidy(request.temperature),
        });
        if let Some(top_p) = request.top_p {
            body["top_p"] = json!(tidy(top_p));
        }
        if !request.stop.is_empty() {
            body["stop"] = json!(request.stop);
        }
        body
    }
}

fn finish(reason: &Value) -> Finish {
    match reason.as_str() {
        Some("length") => Finish::Length,
        Some("content_filter") => Finish::Filter,
        _ => Finish::Stop,
    }
}

/// Usage as counted by the provider; `None` where it left one of the counts out.
fn usage(value: &Value) -> Option<AiUsage> {
    let count = |name: &str| value[name].as_i64().filter(|n| *n >= 0);
    let (prompt_tokens, completion_tokens) = (count("prompt_tokens")?, count("completion_tokens")?);
    Some(AiUsage {
        prompt_tokens,
        completion_tokens,
        total_tokens: count("total_tokens").unwrap_or(prompt_tokens + completion_tokens),
    })
}

#[async_trait]
impl TextProvider for OpenAi {
    fn default_model(&self) -> &str {
        &self.account.default_model
    }

    fn models(&self) -> &[String] {
        &self.account.models
    }

    fn may_know(&self, model: &str) -> bool {
        !model.starts_with("claude")
    }

    async fn generate(&self, request: &TextRequest<'_>) -> Result<TextAnswer, TextError> {
        let deadline = Instant::now() + self.times.call;
        let answer = self.complete(&self.body(request), deadline).await?;
        let value: Value = answer.json().await.map_err(|error| {
            if error.is_timeout() {
                TextError::Network("timeout")
            } else {
                TextError::Unreadable
            }
        })?;
        let choice = &value["choices"][0];
        let text = choice["message"]["content"]
            .as_str()
            .ok_or(TextError::Unreadable)?
            .to_owned();
        // Some gateways leave usage out; an estimate from above is charged then.
        let usage = usage(&value["usage"]).unwrap_or_else(|| {
            let (prompt_tokens, completion_tokens) =
                (request.prompt_tokens(), estimate_tokens(&text));
            AiUsage {
                prompt_tokens,
                completion_tokens,
                total_tokens: prompt_tokens + completion_tokens,
            }
        });
        let raw_usage = if value["usage"].is_object() {
            value["usage"].clone()
        } else {
            json!(usage)
        };
        let model = value["model"]
            .as_str()
            .or(request.model)
            .unwrap_or(&self.account.default_model)
            .to_owned();
        Ok(TextAnswer {
            text,
            model,
            usage,
            raw_usage,
            finish: finish(&choice["finish_reason"]),
        })
    }

    async fn stream(&self, request: &TextRequest<'_>) -> Result<Pieces, TextError> {
        if !self.account.streams {
            return Ok(super::in_one_piece(self.generate(request).await?));
        }
        let mut body = self.body(request);
        body["stream"] = json!(true);
        body["stream_options"] = json!({"include_usage": true});
        let answer = self
            .complete(&body, Instant::now() + self.times.stream)
            .await?;
        let reading = Reading {
            events: Box::pin(sse::events(Box::pin(answer.bytes_stream()))),
            model: request
                .model
                .unwrap_or(&self.account.default_model)
                .to_owned(),
            usage: None,
            finish: None,
            ended: false,
        };
        Ok(Box::pin(stream::try_unfold(reading, Reading::next)))
    }

    async fn health(&self) -> Result<Value, String> {
        let asked = self
            .http
            .get(self.address("models"))
            .bearer_auth(self.account.api_key.expose())
            .timeout(Duration::from_secs(5))
            .send()
            .await;
        match asked {
            Ok(answer) if answer.status().is_success() => {
                Ok(json!({"model": self.account.default_model}))
            }
            Ok(answer) => Err(format!("HTTP {}", answer.status().as_u16())),
            Err(_) => Err("Network error: the provider cannot be reached".to_owned()),
        }
    }
}

/// A text that is being read.
struct Reading {
    events: stream::BoxStream<'static, Result<sse::Event, TextError>>,
    model: String,
    usage: Option<AiUsage>,
    finish: Option<Finish>,
    ended: bool,
}

impl Reading {
    async fn next(mut self) -> Result<Option<(Piece, Self)>, TextError> {
        if self.ended {
            return Ok(None);
        }
        while let Some(event) = self.events.next().await {
            let event = event?;
            if event.data == "[DONE]" {
                return Ok(Some(self.end()));
            }
            let chunk: Value =
                serde_json::from_str(&event.data).map_err(|_| TextError::Unreadable)?;
            if chunk["error"].is_object() {
                return Err(TextError::Interrupted);
            }
            if let Some(model) = chunk["model"].as_str() {
                model.clone_into(&mut self.model);
            }
            self.usage = usage(&chunk["usage"]).or(self.usage);
            let choice = &chunk["choices"][0];
            if choice["finish_reason"].is_string() {
                self.finish = Some(finish(&choice["finish_reason"]));
            }
            match choice["delta"]["content"].as_str() {
                Some(text) if !text.is_empty() => {
                    return Ok(Some((Piece::Text(text.to_owned()), self)));
                }
                _ => {}
            }
        }
        // A gateway may close without `[DONE]`; without a reason to finish the text was cut.
        if self.finish.is_some() {
            return Ok(Some(self.end()));
        }
        Err(TextError::Interrupted)
    }

    fn end(mut self) -> (Piece, Self) {
        self.ended = true;
        let piece = Piece::End {
            model: self.model.clone(),
            usage: self.usage,
            finish: self.finish.unwrap_or(Finish::Stop),
        };
        (piece, self)
    }
}

#[cfg(test)]
#[path = "openai_tests.rs"]
mod tests;
