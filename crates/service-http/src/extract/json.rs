//! `Json<T>`: a JSON body whose every missing or invalid field is named, in the form that clients
//! of Django REST Framework read.

use std::ops::{Deref, DerefMut};

use actix_web::{
    FromRequest, HttpRequest,
    dev::Payload,
    http::{StatusCode, header},
    web::Bytes,
};
use futures_util::future::LocalBoxFuture;
use serde::de::DeserializeOwned;

use super::{admitted, fields};
use crate::{
    body::{self, BodyLimits},
    error::ApiError,
};

/// Deepest nesting of a JSON body.
pub const MAX_DEPTH: usize = 64;
/// Most elements (array items and object members together) of a JSON body.
pub const MAX_ELEMENTS: usize = 10_000;

/// A JSON body of at most 256 KB (or what the [`BodyLimits`] in the app's data say), 64 levels and
/// 10,000 elements. Missing and invalid fields answer 400 with a map of field messages; a wrong
/// content type 415; an empty body counts as `{}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Json<T>(pub T);

impl<T> Json<T> {
    /// The value itself.
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl<T> Deref for Json<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> DerefMut for Json<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.0
    }
}

/// A JSON body together with its exact bytes, for idempotency hashes and signatures.
#[derive(Clone, Debug)]
pub struct JsonBytes<T> {
    /// The value.
    pub value: T,
    /// The bytes as they came.
    pub bytes: Bytes,
}

impl<T: DeserializeOwned + 'static> FromRequest for Json<T> {
    type Error = ApiError;
    type Future = LocalBoxFuture<'static, Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let body = JsonBytes::<T>::from_request(request, payload);
        Box::pin(async move { body.await.map(|body| Self(body.value)) })
    }
}

impl<T: DeserializeOwned + 'static> FromRequest for JsonBytes<T> {
    type Error = ApiError;
    type Future = LocalBoxFuture<'static, Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let request = request.clone();
        let mut payload = payload.take();
        Box::pin(async move {
            admitted(&request).await;
            let limits = request
                .app_data::<BodyLimits>()
                .copied()
                .unwrap_or_default();
            let has_type = check_content_type(&request)?;
            let bytes = body::read(&request, &mut payload, limits).await?;
            if !has_type && !bytes.is_empty() {
                return Err(unsupported_type(""));
            }
            let value = parse(&bytes)?;
            Ok(Self { value, bytes })
        })
    }
}

/// Parses a JSON body into `T`, naming every missing or invalid field.
///
/// # Errors
/// 400 with `JSON parse error - …` or a map of field messages, 413 for too many elements.
pub fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ApiError> {
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return fields::from_value(serde_json::Value::Object(serde_json::Map::new()));
    }
    check_shape(bytes)?;
    let value = serde_json::from_slice(bytes).map_err(|error| not_json(&error.to_string()))?;
    fields::from_value(value)
}

/// True when a JSON content type is named; an absent type is allowed for an empty body only.
fn check_content_type(request: &HttpRequest) -> Result<bool, ApiError> {
    let Some(value) = request.headers().get(header::CONTENT_TYPE) else {
        return Ok(false);
    };
    let full = String::from_utf8_lossy(value.as_bytes()).into_owned();
    let essence = full
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    if essence == "application/json"
        || (essence.starts_with("application/") && essence.ends_with("+json"))
    {
        Ok(true)
    } else {
        Err(unsupported_type(&full))
    }
}

/// 415 in the words of Django REST Framework.
pub fn unsupported_type(content_type: &str) -> ApiError {
    ApiError::new(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "request.media_type",
        format!("Unsupported media type \"{content_type}\" in request."),
    )
}

fn not_json(reason: &str) -> ApiError {
    ApiError::bad_request("request.not_json", format!("JSON parse error - {reason}"))
}

/// Refuses bodies that are too deep or have too many elements before anything is built from them.
fn check_shape(bytes: &[u8]) -> Result<(), ApiError> {
    let (mut depth, mut elements, mut in_text, mut escaped) = (0usize, 0usize, false, false);
    for byte in bytes {
        if in_text {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => in_text = false,
                _ => {}
            }
            continue;
        }
        match byte {
            b'"' => in_text = true,
            b'{' | b'[' => {
                depth += 1;
                elements += 1;
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            b',' => elements += 1,
            _ => {}
        }
        if depth > MAX_DEPTH {
            return Err(ApiError::bad_request(
                "request.too_deep",
                format!("JSON parse error - nested deeper than {MAX_DEPTH} levels"),
            ));
        }
        if elements > MAX_ELEMENTS {
            return Err(ApiError::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                "request.too_many_elements",
                format!("The request has more than {MAX_ELEMENTS} elements."),
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize, PartialEq)]
    struct Small {
        name: String,
    }

    #[test]
    fn an_empty_body_is_an_empty_object() {
        let error = parse::<Small>(b" \n").unwrap_err();
        assert_eq!(error.code(), "request.invalid");
    }

    #[test]
    fn depth_and_elements_are_bounded() {
        let deep = format!("{}1{}", "[".repeat(65), "]".repeat(65));
        assert_eq!(
            parse::<serde_json::Value>(deep.as_bytes())
                .unwrap_err()
                .code(),
            "request.too_deep"
        );
        let fine = format!("{}1{}", "[".repeat(64), "]".repeat(64));
        assert!(parse::<serde_json::Value>(fine.as_bytes()).is_ok());
        let wide = format!("[{}1]", "1,".repeat(10_000));
        assert_eq!(
            parse::<serde_json::Value>(wide.as_bytes())
                .unwrap_err()
                .status(),
            StatusCode::PAYLOAD_TOO_LARGE
        );
        let quoted = format!("{{\"name\":\"{}\"}}", "[\\\"{".repeat(500));
        assert!(parse::<Small>(quoted.as_bytes()).is_ok());
    }

    #[test]
    fn broken_json_says_so_as_django_does() {
        let error = parse::<Small>(b"{\"name\":").unwrap_err();
        assert_eq!(error.status(), StatusCode::BAD_REQUEST);
        assert_eq!(error.code(), "request.not_json");
    }
}
