//! Chat completions of OpenAI's shape: OpenAI itself, TalkBot, and whatever else speaks it.

use std::time::{Duration, Instant};

use async_trait::async_trait;
use common_types::internal::integrations::AiUsage;
use serde_json::{Value, json};
use service_config::Secret;

use super::{TextAnswer, TextError, TextProvider, TextRequest, estimate_tokens};

/// Tries after the first one.
const RETRIES: u32 = 2;
/// Longest pause that a provider may ask for.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// Client of one account.
pub struct OpenAi {
    http: reqwest::Client,
    base_url: String,
    api_key: Secret,
    default_model: String,
    timeout: Duration,
}

impl OpenAi {
    /// A client of the account of `api_key` at `base_url` (no final slash); `timeout` bounds a call with its retries.
    pub fn new(
        http: reqwest::Client,
        base_url: String,
        api_key: Secret,
        default_model: String,
        timeout: Duration,
    ) -> Self {
        Self {
            http,
            base_url,
            api_key,
            default_model,
            timeout,
        }
    }

    async fn once(
        &self,
        body: &Value,
        left: Duration,
    ) -> Result<Value, (TextError, Option<Duration>)> {
        let sent = self
            .http
            .post(format!("{}/chat/completions", self.base_url))
            .bearer_auth(self.api_key.expose())
            .timeout(left)
            .json(body)
            .send()
            .await;
        let answer = match sent {
            Ok(answer) => answer,
            Err(error) if error.is_timeout() => return Err((TextError::Network("timeout"), None)),
            Err(error) if error.is_connect() => {
                return Err((
                    TextError::Network("unreachable"),
                    Some(Duration::from_millis(500)),
                ));
            }
            Err(_) => return Err((TextError::Network("connection_lost"), None)),
        };
        let status = answer.status();
        let asked = pause_asked(answer.headers());
        let value: Result<Value, _> = answer.json().await;
        if status.is_success() {
            return value.map_err(|_| (TextError::Unreadable, None));
        }
        let error = value.unwrap_or_default();
        let message = error["error"]["message"]
            .as_str()
            .map_or_else(|| format!("HTTP {}", status.as_u16()), str::to_owned);
        // A spent quota does not come back by waiting.
        let spent = error["error"]["code"] == "insufficient_quota";
        let transient =
            !spent && (matches!(status.as_u16(), 408 | 409 | 429) || status.is_server_error());
        let pause = transient.then(|| asked.unwrap_or(Duration::from_millis(500)));
        Err((
            TextError::Refused {
                status: status.as_u16(),
                message,
                transient: transient || spent,
            },
            pause,
        ))
    }
}

fn pause_asked(headers: &reqwest::header::HeaderMap) -> Option<Duration> {
    let number = |name: &str| {
        headers
            .get(name)?
            .to_str()
            .ok()?
            .parse::<f64>()
            .ok()
            .filter(|n| *n >= 0.0)
    };
    number("retry-after-ms")
        .map(|ms| ms / 1_000.0)
        .or_else(|| number("retry-after"))
        .map(|seconds| Duration::from_secs_f64(seconds.min(LONGEST_PAUSE.as_secs_f64())))
}

#[async_trait]
impl TextProvider for OpenAi {
    fn default_model(&self) -> &str {
        &self.default_model
    }

    async fn generate(&self, request: &TextRequest<'_>) -> Result<TextAnswer, TextError> {
        let mut messages = Vec::new();
        if let Some(system) = request.system_prompt {
            messages.push(json!({"role": "system", "content": system}));
        }
        messages.push(json!({"role": "user", "content": request.prompt}));
        let model = request.model.unwrap_or(&self.default_model);
        let body = json!({
            "model": model,
            "messages": messages,
            "max_tokens": request.max_tokens,
            "temperature": request.temperature,
        });
        let deadline = Instant::now() + self.timeout;
        let mut attempt = 0;
        let value = loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(TextError::Network("timeout"));
            }
            match self.once(&body, left).await {
                Ok(value) => break value,
                Err((error, Some(pause))) if attempt < RETRIES => {
                    attempt += 1;
                    let growing = pause * 2_u32.pow(attempt - 1);
                    if growing >= deadline.saturating_duration_since(Instant::now()) {
                        return Err(error);
                    }
                    tokio::time::sleep(growing).await;
                }
                Err((error, _)) => return Err(error),
            }
        };
        let text = value["choices"][0]["message"]["content"]
            .as_str()
            .ok_or(TextError::Unreadable)?
            .to_owned();
        let count = |name: &str| value["usage"][name].as_i64().filter(|n| *n >= 0);
        // Some gateways leave usage out; an estimate from above is charged then.
        let prompt_tokens = count("prompt_tokens").unwrap_or_else(|| {
            estimate_tokens(request.prompt) + estimate_tokens(request.system_prompt.unwrap_or(""))
        });
        let completion_tokens =
            count("completion_tokens").unwrap_or_else(|| estimate_tokens(&text));
        let usage = AiUsage {
            prompt_tokens,
            completion_tokens,
            total_tokens: count("total_tokens").unwrap_or(prompt_tokens + completion_tokens),
        };
        let raw_usage = if value["usage"].is_object() {
            value["usage"].clone()
        } else {
            json!(usage)
        };
        let model = value["model"].as_str().unwrap_or(model).to_owned();
        Ok(TextAnswer {
            text,
            model,
            usage,
            raw_usage,
        })
    }

    async fn health(&self) -> Result<Value, String> {
        let asked = self
            .http
            .get(format!("{}/models", self.base_url))
            .bearer_auth(self.api_key.expose())
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

#[cfg(test)]
mod tests {
    use wiremock::{
        Mock, MockServer, ResponseTemplate,
        matchers::{body_partial_json, header, method, path},
    };

    use super::*;

    fn client(server: &MockServer, timeout_ms: u64) -> OpenAi {
        let key = Secret::new("sk-canary".to_owned());
        OpenAi::new(
            reqwest::Client::new(),
            server.uri(),
            key,
            "gpt-4".into(),
            Duration::from_millis(timeout_ms),
        )
    }

    fn request(prompt: &str) -> TextRequest<'_> {
        TextRequest {
            prompt,
            system_prompt: Some("be brief"),
            max_tokens: 50,
            temperature: 0.7,
            model: None,
            language: None,
        }
    }

    fn answer() -> Value {
        json!({"model": "gpt-4-0613", "choices": [{"message": {"role": "assistant", "content": "hello"}}],
            "usage": {"prompt_tokens": 20, "completion_tokens": 30, "total_tokens": 50}})
    }

    #[tokio::test]
    async fn i06_a_text_comes_with_its_usage() {
        let server = MockServer::start().await;
        Mock::given(method("POST"))
            .and(path("/chat/completions"))
            .and(header("authorization", "Bearer sk-canary"))
            .and(body_partial_json(json!({"model": "gpt-4", "max_tokens": 50,
                "messages": [{"role": "system", "content": "be brief"}, {"role": "user", "content": "hi"}]})))
            .respond_with(ResponseTemplate::new(200).set_body_json(answer()))
            .expect(1)
            .mount(&server)
            .await;
        let made = client(&server, 2_000)
            .generate(&request("hi"))
            .await
            .unwrap();
        assert_eq!((made.text.as_str(), made.usage.total_tokens), ("hello", 50));
        assert_eq!(made.model, "gpt-4-0613");
    }

    #[tokio::test]
    async fn a_busy_provider_is_asked_again_and_a_spent_quota_is_not() {
        let server = MockServer::start().await;
        Mock::given(method("POST"))
            .respond_with(ResponseTemplate::new(429).insert_header("retry-after-ms", "10"))
            .up_to_n_times(1)
            .mount(&server)
            .await;
        Mock::given(method("POST"))
            .respond_with(ResponseTemplate::new(200).set_body_json(answer()))
            .mount(&server)
            .await;
        assert!(
            client(&server, 2_000)
                .generate(&request("hi"))
                .await
                .is_ok()
        );

        let spent = MockServer::start().await;
        let body = json!({"error": {"message": "quota", "code": "insufficient_quota"}});
        Mock::given(method("POST"))
            .respond_with(ResponseTemplate::new(429).set_body_json(body))
            .expect(1)
            .mount(&spent)
            .await;
        let refused = client(&spent, 2_000)
            .generate(&request("hi"))
            .await
            .unwrap_err();
        assert!(
            matches!(refused, TextError::Refused { status: 429, ref message, .. } if message == "quota")
        );
    }

    #[tokio::test]
    async fn a_slow_provider_times_out() {
        let server = MockServer::start().await;
        let slow = ResponseTemplate::new(200)
            .set_body_json(answer())
            .set_delay(Duration::from_secs(5));
        Mock::given(method("POST"))
            .respond_with(slow)
            .mount(&server)
            .await;
        let started = Instant::now();
        assert_eq!(
            client(&server, 200).generate(&request("hi")).await,
            Err(TextError::Network("timeout"))
        );
        assert!(started.elapsed() < Duration::from_secs(2));
    }
}
