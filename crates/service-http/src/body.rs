//! Reading a request body with a cap, a deadline and a floor of speed: actix itself lets a stalled
//! body hang for ever (reliability.md 0.1, Q-G4, Q-G5).

use std::time::Duration;

use actix_web::{
    HttpRequest,
    dev::Payload,
    http::{StatusCode, header},
    web::{Bytes, BytesMut},
};
use futures_util::StreamExt;
use tokio::time::Instant;

use crate::{error::ApiError, text::Text};

/// Bounds of a body that is read into memory.
#[derive(Clone, Copy, Debug)]
pub struct BodyLimits {
    /// Largest size in bytes; more answers 413.
    pub max_bytes: usize,
    /// Time from the first read to the last byte; more answers 408.
    pub deadline: Duration,
    /// After `grace`, an average below this many bytes per second answers 408.
    pub min_bytes_per_second: u64,
    /// How long a slow start is forgiven.
    pub grace: Duration,
}

impl Default for BodyLimits {
    /// JSON routes: 256 KB, 15 s, 1 KB/s after 5 s (decision 31).
    fn default() -> Self {
        Self {
            max_bytes: 256 * 1024,
            deadline: Duration::from_secs(15),
            min_bytes_per_second: 1024,
            grace: Duration::from_secs(5),
        }
    }
}

/// Reads the whole body within `limits`.
///
/// # Errors
/// 413 over the cap (at once when `Content-Length` says so), 408 when it comes too slowly, 415 for a
/// compressed body, 400 when the connection breaks.
pub async fn read(
    request: &HttpRequest,
    payload: &mut Payload,
    limits: BodyLimits,
) -> Result<Bytes, ApiError> {
    refuse_encoding(request)?;
    let declared = declared_length(request);
    if declared.is_some_and(|length| length > limits.max_bytes) {
        return Err(too_large(limits.max_bytes));
    }
    let started = Instant::now();
    let mut body = BytesMut::with_capacity(declared.unwrap_or(0).min(limits.max_bytes));
    loop {
        let limit = next_deadline(started, body.len(), limits);
        match tokio::time::timeout_at(limit, payload.next()).await {
            Err(_) => return Err(too_slow()),
            Ok(None) => return Ok(body.freeze()),
            Ok(Some(Err(_))) => return Err(broken()),
            Ok(Some(Ok(chunk))) => {
                if body.len() + chunk.len() > limits.max_bytes {
                    return Err(too_large(limits.max_bytes));
                }
                body.extend_from_slice(&chunk);
            }
        }
    }
}

/// The moment by which the next byte must have come: the deadline of the whole, or sooner when the
/// bytes so far do not buy more time at the lowest speed.
fn next_deadline(started: Instant, received: usize, limits: BodyLimits) -> Instant {
    let earned = Duration::from_secs(received as u64 / limits.min_bytes_per_second.max(1));
    started
        + limits
            .deadline
            .min(limits.grace.max(earned + Duration::from_secs(1)))
}

fn declared_length(request: &HttpRequest) -> Option<usize> {
    request
        .headers()
        .get(header::CONTENT_LENGTH)?
        .to_str()
        .ok()?
        .parse()
        .ok()
}

/// A compressed request is refused: a few kilobytes may unfold to gigabytes.
fn refuse_encoding(request: &HttpRequest) -> Result<(), ApiError> {
    match request.headers().get(header::CONTENT_ENCODING) {
        Some(value) if !value.as_bytes().eq_ignore_ascii_case(b"identity") => {
            let encoding = String::from_utf8_lossy(value.as_bytes()).into_owned();
            Err(ApiError::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "request.encoding_unsupported",
                format!("Unsupported content encoding \"{encoding}\" in request."),
            ))
        }
        _ => Ok(()),
    }
}

/// 413 naming the cap.
pub fn too_large(max_bytes: usize) -> ApiError {
    let kilobytes = max_bytes / 1024;
    ApiError::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        "request.too_large",
        Text::i18n(
            format!("حجم درخواست بیش از {kilobytes} کیلوبایت است."),
            format!("Le corps de la requête dépasse {kilobytes} Ko."),
            format!("The request body is larger than {kilobytes} KB."),
        ),
    )
    .header("Connection", "close")
}

fn too_slow() -> ApiError {
    ApiError::new(
        StatusCode::REQUEST_TIMEOUT,
        "request.too_slow",
        Text::i18n(
            "بدنهٔ درخواست بیش از حد کند رسید.",
            "Le corps de la requête arrive trop lentement.",
            "The request body came too slowly.",
        ),
    )
    .header("Connection", "close")
}

fn broken() -> ApiError {
    ApiError::bad_request(
        "request.broken",
        Text::i18n(
            "بدنهٔ درخواست ناقص است.",
            "Le corps de la requête est incomplet.",
            "The request body is incomplete.",
        ),
    )
    .header("Connection", "close")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_is_bought_by_bytes_but_never_beyond_the_deadline() {
        let limits = BodyLimits::default();
        let start = Instant::now();
        assert_eq!(
            next_deadline(start, 0, limits),
            start + Duration::from_secs(5)
        );
        assert_eq!(
            next_deadline(start, 8 * 1024, limits),
            start + Duration::from_secs(9)
        );
        assert_eq!(
            next_deadline(start, 200 * 1024, limits),
            start + Duration::from_secs(15)
        );
    }
}
