//! Asking again: what OpenAI's own client does, within a deadline.

use std::time::{Duration, Instant};

use reqwest::{RequestBuilder, Response, header::HeaderMap};
use serde_json::Value;

use super::TextError;

/// Tries after the first one.
const RETRIES: u32 = 2;
/// Pause before the second try when the provider names none.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// Longest pause that a provider may ask for.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// Largest error body that is read.
const ERROR_BYTES: usize = 64 * 1024;

/// An error, and the pause after which the same request may be sent again.
type Refusal = (TextError, Option<Duration>);

/// How a vendor writes its errors.
pub(super) struct ErrorShape {
    /// Its message; the body may be anything.
    pub(super) message: fn(&Value) -> Option<&str>,
    /// Whether waiting is of no use although the status says so.
    pub(super) spent: fn(&Value) -> bool,
}

/// Sends what `request` makes until a provider answers 2xx, at most twice again and never past `deadline`.
pub(super) async fn send(
    deadline: Instant,
    shape: &ErrorShape,
    request: impl Fn(Duration) -> RequestBuilder,
) -> Result<Response, TextError> {
    let mut attempt = 0;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(TextError::Network("timeout"));
        }
        match once(request(left), shape).await {
            Ok(answer) => return Ok(answer),
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
    }
}

/// Sends once; for bodies that cannot be sent twice.
pub(super) async fn send_once(
    request: RequestBuilder,
    shape: &ErrorShape,
) -> Result<Response, TextError> {
    once(request, shape).await.map_err(|(error, _)| error)
}

async fn once(request: RequestBuilder, shape: &ErrorShape) -> Result<Response, Refusal> {
    let answer = match request.send().await {
        Ok(answer) => answer,
        Err(error) if error.is_timeout() => return Err((TextError::Network("timeout"), None)),
        Err(error) if error.is_connect() => {
            return Err((TextError::Network("unreachable"), Some(FIRST_PAUSE)));
        }
        Err(_) => return Err((TextError::Network("connection_lost"), None)),
    };
    let status = answer.status();
    if status.is_success() {
        return Ok(answer);
    }
    let asked = pause_asked(answer.headers());
    let told = told(answer.headers());
    let body = error_body(answer).await;
    let error: Value = serde_json::from_slice(&body).unwrap_or_default();
    let message =
        (shape.message)(&error).map_or_else(|| format!("HTTP {}", status.as_u16()), str::to_owned);
    // A spent quota does not come back by waiting.
    let spent = (shape.spent)(&error);
    let usual = matches!(status.as_u16(), 408 | 409 | 429) || status.is_server_error();
    let again = !spent && told.unwrap_or(usual);
    let refused = TextError::Refused {
        status: status.as_u16(),
        message,
        transient: usual || spent,
    };
    Err((refused, again.then(|| asked.unwrap_or(FIRST_PAUSE))))
}

/// The error's body, cut where it grows beyond reason.
async fn error_body(mut answer: Response) -> Vec<u8> {
    let mut body = Vec::new();
    while let Ok(Some(chunk)) = answer.chunk().await {
        body.extend_from_slice(&chunk);
        if body.len() > ERROR_BYTES {
            break;
        }
    }
    body
}

/// `x-should-retry`, by which OpenAI overrides the status.
fn told(headers: &HeaderMap) -> Option<bool> {
    headers.get("x-should-retry")?.to_str().ok()?.parse().ok()
}

fn pause_asked(headers: &HeaderMap) -> Option<Duration> {
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
