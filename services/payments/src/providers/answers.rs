//! Reading what vendors answer. Whatever is not a clear answer in the vendor's own words is unknown.

use reqwest::{RequestBuilder, StatusCode};
use serde_json::Value;

use super::{ProviderError, unknown};

/// Sends a call and reads JSON of any status below 500.
///
/// # Errors
/// [`ProviderError::Unknown`] when nothing, a server error, a demand to slow down, or no JSON came.
pub(super) async fn json(request: RequestBuilder) -> Result<(StatusCode, Value), ProviderError> {
    let response = service_telemetry::traced(request)
        .send()
        .await
        .map_err(unknown)?;
    let status = response.status();
    // A vendor that says "not now" has decided nothing.
    let undecided = [
        StatusCode::REQUEST_TIMEOUT,
        StatusCode::CONFLICT,
        StatusCode::TOO_MANY_REQUESTS,
    ];
    if status.is_server_error() || status.is_redirection() {
        return Err(ProviderError::Unknown(format!(
            "status {}",
            status.as_u16()
        )));
    }
    let body = response.bytes().await.map_err(unknown)?;
    if body.is_empty() && !undecided.contains(&status) {
        return Ok((status, Value::Null));
    }
    match serde_json::from_slice(&body) {
        Ok(value) => Ok((status, value)),
        Err(_) => Err(ProviderError::Unknown(format!(
            "status {} without JSON",
            status.as_u16()
        ))),
    }
}

/// A text, also of a number; `None` when empty or neither.
pub(super) fn text(value: &Value) -> Option<String> {
    let text = match value {
        Value::String(text) => text.trim().to_owned(),
        Value::Number(number) => number.to_string(),
        _ => return None,
    };
    (!text.is_empty()).then_some(text)
}

/// A whole number, also as text.
pub(super) fn integer(value: &Value) -> Option<i64> {
    value
        .as_i64()
        .or_else(|| value.as_str()?.trim().parse().ok())
}
