//! `ApiError`: the only error a handler answers with.
//!
//! A body is a problem document (RFC 9457) with the platform's `code` and `request_id`; where a
//! replaced system has a contract, the contract's members win and colliding problem members are
//! left out (decision 26), the code then also stands in the header `X-Error-Code`.

mod convert;

use std::{collections::BTreeMap, fmt};

use actix_web::{
    HttpResponse, ResponseError,
    http::{StatusCode, header},
};
use common_types::Language;
use serde_json::{Map, Value, json};

use crate::text::Text;

/// Field names with what is wrong with each.
pub type FieldErrors = BTreeMap<String, Vec<Text>>;

#[derive(Clone, Debug)]
enum Shape {
    Problem,
    Contract(Map<String, Value>),
    Bare(Value),
}

/// A refusal or failure on its way to the caller.
///
/// Its `Debug` and `Display` never show the cause of an internal error to the caller; the cause is
/// logged once by the server, with the request id.
pub struct ApiError(Box<Inner>);

struct Inner {
    status: StatusCode,
    code: &'static str,
    detail: Text,
    fields: FieldErrors,
    shape: Shape,
    headers: Vec<(String, String)>,
    cause: Option<anyhow::Error>,
}

impl ApiError {
    /// An error with `status`, a stable `code` (`domain.reason`) and a text for a person.
    pub fn new(status: StatusCode, code: &'static str, detail: impl Into<Text>) -> Self {
        Self(Box::new(Inner {
            status,
            code,
            detail: detail.into(),
            fields: FieldErrors::new(),
            shape: Shape::Problem,
            headers: Vec::new(),
            cause: None,
        }))
    }

    /// 400.
    pub fn bad_request(code: &'static str, detail: impl Into<Text>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, detail)
    }

    /// 400 with nothing but field messages, added with [`ApiError::field`].
    pub fn invalid() -> Self {
        Self::bad_request(
            "request.invalid",
            Text::i18n(
                "داده‌های ارسالی معتبر نیست.",
                "Les données envoyées sont invalides.",
                "Invalid input.",
            ),
        )
    }

    /// 401 with `WWW-Authenticate: Bearer realm="api"`.
    pub fn unauthorized(code: &'static str, detail: impl Into<Text>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, code, detail)
            .header("WWW-Authenticate", "Bearer realm=\"api\"")
    }

    /// 401 in the words of Django REST Framework: no credentials were sent.
    pub fn credentials_missing() -> Self {
        Self::unauthorized(
            "auth.credentials_missing",
            "Authentication credentials were not provided.",
        )
    }

    /// 401 in the words of SimpleJWT: the access token does not count.
    pub fn token_invalid() -> Self {
        Self::unauthorized(
            "auth.token_invalid",
            "Given token not valid for any token type",
        )
        .contract(json!({
            "detail": "Given token not valid for any token type",
            "code": "token_not_valid",
            "messages": [{
                "token_class": "AccessToken",
                "token_type": "access",
                "message": "Token is invalid",
            }],
        }))
    }

    /// 403.
    pub fn forbidden(code: &'static str, detail: impl Into<Text>) -> Self {
        Self::new(StatusCode::FORBIDDEN, code, detail)
    }

    /// 403 in the words of Django REST Framework.
    pub fn permission_denied() -> Self {
        Self::forbidden(
            "auth.permission_denied",
            "You do not have permission to perform this action.",
        )
    }

    /// 403 for a sensitive action without a proof of the last five minutes (Q-A8).
    pub fn step_up_required() -> Self {
        Self::forbidden(
            "auth.step_up_required",
            Text::i18n(
                "برای این کار باید دوباره هویت خود را تأیید کنید.",
                "Cette action demande de confirmer à nouveau votre identité.",
                "This action needs a fresh proof that it is you.",
            ),
        )
    }

    /// 404.
    pub fn not_found(code: &'static str, detail: impl Into<Text>) -> Self {
        Self::new(StatusCode::NOT_FOUND, code, detail)
    }

    /// 404 in the words of Django: `No <model> matches the given query.`
    pub fn no_match(code: &'static str, model: &str) -> Self {
        Self::not_found(code, format!("No {model} matches the given query."))
    }

    /// 409.
    pub fn conflict(code: &'static str, detail: impl Into<Text>) -> Self {
        Self::new(StatusCode::CONFLICT, code, detail)
    }

    /// 422.
    pub fn unprocessable(code: &'static str, detail: impl Into<Text>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, code, detail)
    }

    /// 429 with `Retry-After` in seconds (at least 1), in the words of Django REST Framework.
    pub fn too_many(retry_after_seconds: u64) -> Self {
        let seconds = retry_after_seconds.max(1);
        Self::new(
            StatusCode::TOO_MANY_REQUESTS,
            "request.throttled",
            format!("Request was throttled. Expected available in {seconds} seconds."),
        )
        .retry_after(seconds)
    }

    /// 502.
    pub fn bad_gateway(code: &'static str, detail: impl Into<Text>) -> Self {
        Self::new(StatusCode::BAD_GATEWAY, code, detail)
    }

    /// 503.
    pub fn unavailable(code: &'static str, detail: impl Into<Text>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, code, detail)
    }

    /// 500: opaque to the caller; `cause` is logged once with the request id.
    pub fn internal(cause: impl Into<anyhow::Error>) -> Self {
        let mut error = Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            Text::i18n(
                "خطای داخلی رخ داد.",
                "Une erreur interne est survenue.",
                "An internal error occurred.",
            ),
        );
        error.0.cause = Some(cause.into());
        error
    }

    /// Adds a message to a field; field messages stand under `errors` and, as today's clients
    /// read them, at the top of the body.
    #[must_use]
    pub fn field(mut self, name: impl Into<String>, message: impl Into<Text>) -> Self {
        self.0
            .fields
            .entry(name.into())
            .or_default()
            .push(message.into());
        self
    }

    /// Adds many field messages.
    #[must_use]
    pub fn fields(mut self, fields: FieldErrors) -> Self {
        for (name, messages) in fields {
            self.0.fields.entry(name).or_default().extend(messages);
        }
        self
    }

    /// Members of a contract, laid over the problem's: the contract's value wins.
    ///
    /// A value that is not an object is ignored; use [`ApiError::bare`] for lists and texts.
    #[must_use]
    pub fn contract(mut self, members: Value) -> Self {
        if let Value::Object(members) = members {
            match &mut self.0.shape {
                Shape::Contract(existing) => existing.extend(members),
                shape => *shape = Shape::Contract(members),
            }
        }
        self
    }

    /// The body is exactly this JSON; code and request id travel in headers only.
    #[must_use]
    pub fn bare(mut self, body: Value) -> Self {
        self.0.shape = Shape::Bare(body);
        self
    }

    /// Adds a response header; an invalid name or value is left out.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.0.headers.push((name.into(), value.into()));
        self
    }

    /// Adds `Retry-After` in seconds.
    #[must_use]
    pub fn retry_after(self, seconds: u64) -> Self {
        self.header("Retry-After", seconds.to_string())
    }

    /// Replaces the detail by one text per language.
    #[must_use]
    pub fn i18n(mut self, fa: &str, fr: &str, en: &str) -> Self {
        self.0.detail = Text::i18n(fa, fr, en);
        self
    }

    /// Keeps what led here for the log; the caller never sees it.
    #[must_use]
    pub fn caused_by(mut self, cause: impl Into<anyhow::Error>) -> Self {
        self.0.cause = Some(cause.into());
        self
    }

    /// The HTTP status.
    pub fn status(&self) -> StatusCode {
        self.0.status
    }

    /// The stable code.
    pub fn code(&self) -> &'static str {
        self.0.code
    }

    /// What led to an internal error.
    pub fn cause(&self) -> Option<&anyhow::Error> {
        self.0.cause.as_ref()
    }

    /// The response in `language`; `request_id` and `instance` are added when known.
    pub fn render(&self, language: Language, request_id: Option<&str>) -> HttpResponse {
        let inner = &self.0;
        let (body, content_type) = match &inner.shape {
            Shape::Bare(body) => (body.clone(), "application/json"),
            shape => {
                let mut body = self.problem(language, request_id);
                for (name, messages) in &inner.fields {
                    body.insert(name.clone(), messages_json(messages, language));
                }
                let content_type = match shape {
                    Shape::Contract(members) => {
                        body.extend(members.clone());
                        "application/json"
                    }
                    _ => "application/problem+json",
                };
                (Value::Object(body), content_type)
            }
        };
        let mut response = HttpResponse::build(inner.status);
        for (name, value) in &inner.headers {
            response.append_header((name.as_str(), value.as_str()));
        }
        response.insert_header((header::CACHE_CONTROL, "no-store"));
        if body.get("code").and_then(Value::as_str) != Some(inner.code) {
            response.insert_header(("X-Error-Code", inner.code));
        }
        response.content_type(content_type).body(body.to_string())
    }

    /// The same answer without its cause, which has been logged or cannot be shared.
    pub(crate) fn duplicate(&self) -> Self {
        let inner = &self.0;
        Self(Box::new(Inner {
            status: inner.status,
            code: inner.code,
            detail: inner.detail.clone(),
            fields: inner.fields.clone(),
            shape: inner.shape.clone(),
            headers: inner.headers.clone(),
            cause: inner
                .cause
                .as_ref()
                .map(|cause| anyhow::anyhow!("{cause:#}")),
        }))
    }

    fn problem(&self, language: Language, request_id: Option<&str>) -> Map<String, Value> {
        let inner = &self.0;
        let mut body = Map::new();
        body.insert("type".into(), "about:blank".into());
        body.insert(
            "title".into(),
            inner.status.canonical_reason().unwrap_or("Error").into(),
        );
        body.insert("status".into(), inner.status.as_u16().into());
        body.insert("detail".into(), inner.detail.in_language(language).into());
        body.insert("code".into(), inner.code.into());
        if let Some(id) = request_id {
            body.insert("request_id".into(), id.into());
        }
        if !inner.fields.is_empty() {
            let errors: Map<String, Value> = inner
                .fields
                .iter()
                .map(|(name, messages)| (name.clone(), messages_json(messages, language)))
                .collect();
            body.insert("errors".into(), Value::Object(errors));
        }
        body
    }
}

fn messages_json(messages: &[Text], language: Language) -> Value {
    messages
        .iter()
        .map(|text| Value::from(text.in_language(language)))
        .collect()
}

impl fmt::Debug for ApiError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("ApiError")
            .field("status", &self.0.status.as_u16())
            .field("code", &self.0.code)
            .field("cause", &self.0.cause)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}", self.0.status.as_u16(), self.0.code)
    }
}

impl std::error::Error for ApiError {}

impl ResponseError for ApiError {
    fn status_code(&self) -> StatusCode {
        self.0.status
    }

    fn error_response(&self) -> HttpResponse {
        self.render(Language::En, None)
    }
}

#[cfg(test)]
mod tests;
