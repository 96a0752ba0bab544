//! Recordings to texts by OpenAI's `audio/transcriptions` (providers.md 7.1). The recording is handed on while it comes in
//! and is never kept; TalkBot wants a public address of it, which a patient's voice must not have, so it takes none.

use std::{fmt, time::Instant};

use async_trait::async_trait;
use bytes::Bytes;
use serde_json::Value;

use super::{TextError, openai::OpenAi, retry};

/// Largest transcript that is read.
const ANSWER_BYTES: usize = 8 * 1024 * 1024;

/// A transcript as the provider wrote it.
#[derive(Clone)]
pub struct Transcript {
    /// The body, in the format that was asked for.
    pub body: Bytes,
    /// Its content type.
    pub content_type: String,
    /// Length of the recording in seconds, where the provider says so.
    pub seconds: Option<f64>,
    /// Tokens of sound and text, where the provider counts them.
    pub tokens: Option<(i64, i64)>,
}

impl fmt::Debug for Transcript {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Transcript")
            .field("seconds", &self.seconds)
            .finish_non_exhaustive()
    }
}

impl Transcript {
    /// The text, out of JSON or as it stands.
    pub fn text(&self) -> String {
        let json: Option<Value> = serde_json::from_slice(&self.body).ok();
        json.as_ref()
            .and_then(|value| value["text"].as_str())
            .map_or_else(
                || String::from_utf8_lossy(&self.body).into_owned(),
                str::to_owned,
            )
    }
}

/// A client that writes down what is said.
#[async_trait]
pub trait AudioProvider: Send + Sync {
    /// Sends a form (`multipart/form-data` with `boundary`) that is still being read.
    ///
    /// # Errors
    /// [`TextError`].
    async fn transcribe(
        &self,
        boundary: &str,
        body: reqwest::Body,
    ) -> Result<Transcript, TextError>;
}

#[async_trait]
impl AudioProvider for OpenAi {
    async fn transcribe(
        &self,
        boundary: &str,
        body: reqwest::Body,
    ) -> Result<Transcript, TextError> {
        let deadline = Instant::now() + self.times.stream;
        let request = self
            .http
            .post(self.address("audio/transcriptions"))
            .bearer_auth(self.account.api_key.expose())
            .timeout(self.times.stream)
            .header(
                "content-type",
                format!("multipart/form-data; boundary={boundary}"),
            )
            .body(body);
        let mut answer = retry::send_once(request, Self::errors()).await?;
        let content_type = answer
            .headers()
            .get("content-type")
            .and_then(|value| value.to_str().ok())
            .unwrap_or("text/plain; charset=utf-8")
            .to_owned();
        let mut all = Vec::new();
        loop {
            if Instant::now() >= deadline {
                return Err(TextError::Network("timeout"));
            }
            match answer.chunk().await {
                Ok(Some(chunk)) if all.len() + chunk.len() <= ANSWER_BYTES => {
                    all.extend_from_slice(&chunk);
                }
                Ok(Some(_)) => return Err(TextError::Unreadable),
                Ok(None) => break,
                Err(error) if error.is_timeout() => return Err(TextError::Network("timeout")),
                Err(_) => return Err(TextError::Interrupted),
            }
        }
        if content_type.starts_with("application/json") {
            return read_json(all, content_type);
        }
        let readable = std::str::from_utf8(&all).is_ok();
        readable
            .then(|| Transcript {
                body: all.into(),
                content_type,
                seconds: None,
                tokens: None,
            })
            .ok_or(TextError::Unreadable)
    }
}

fn read_json(body: Vec<u8>, content_type: String) -> Result<Transcript, TextError> {
    let value: Value = serde_json::from_slice(&body).map_err(|_| TextError::Unreadable)?;
    if !value["text"].is_string() {
        return Err(TextError::Unreadable);
    }
    let usage = &value["usage"];
    let count = |name: &str| usage[name].as_i64().filter(|n| *n >= 0);
    Ok(Transcript {
        seconds: value["duration"]
            .as_f64()
            .or_else(|| usage["seconds"].as_f64()),
        tokens: count("input_tokens").zip(count("output_tokens")),
        body: body.into(),
        content_type,
    })
}
