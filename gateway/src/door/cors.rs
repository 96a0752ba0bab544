//! Foreign origins: an allow-list, never an echo (cimef.md ⚑4). Same origin needs nothing.

use actix_http::{HttpMessage as _, Request as ClientRequest};
use actix_web::HttpResponse;
use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use actix_web::http::{Method, StatusCode, Version};

const METHODS: &str = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";
const HEADERS: &str = "accept, accept-language, authorization, content-type, idempotency-key, if-match, if-none-match, \
                       range, x-patient-access-token, x-request-id, x-requested-with, x-api-key";
const EXPOSED: &str = "content-disposition, content-range, etag, location, retry-after, ratelimit, ratelimit-policy, \
                       x-error-code, x-request-id";

/// What an `Origin` header is to us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// There is none: no browser, or a plain navigation.
    Absent,
    /// The address the request was sent to.
    Same,
    /// On the list.
    Allowed,
    /// Anything else, `null` included.
    Foreign,
}

/// The allow-list.
#[derive(Debug, Clone)]
pub struct Cors {
    origins: Vec<String>,
}

impl Cors {
    /// A list of serialised origins.
    pub fn new(origins: Vec<String>) -> Self {
        Self { origins }
    }

    /// Classifies a request's origin.
    pub fn origin(&self, request: &ClientRequest) -> Origin {
        let Some(value) = request.headers().get(header::ORIGIN) else {
            return Origin::Absent;
        };
        let Ok(origin) = value.to_str() else {
            return Origin::Foreign;
        };
        if self.origins.iter().any(|allowed| allowed == origin) {
            return Origin::Allowed;
        }
        let host = match request.version() {
            Version::HTTP_2 => request
                .uri()
                .authority()
                .map(|authority| authority.as_str()),
            _ => request
                .headers()
                .get(header::HOST)
                .and_then(|host| host.to_str().ok()),
        };
        match (origin.split_once("://"), host) {
            (Some(("http" | "https", authority)), Some(host))
                if authority.eq_ignore_ascii_case(host) =>
            {
                Origin::Same
            }
            _ => Origin::Foreign,
        }
    }

    /// Answers a preflight; `None` when the request is none.
    pub fn preflight(&self, request: &ClientRequest) -> Option<HttpResponse> {
        let asks = request.method() == Method::OPTIONS
            && request
                .headers()
                .contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
        if !asks || !request.headers().contains_key(header::ORIGIN) {
            return None;
        }
        let mut answer = HttpResponse::build(StatusCode::NO_CONTENT);
        answer.insert_header((header::CACHE_CONTROL, "no-store"));
        if matches!(self.origin(request), Origin::Allowed | Origin::Same) {
            answer
                .insert_header((header::ACCESS_CONTROL_ALLOW_METHODS, METHODS))
                .insert_header((header::ACCESS_CONTROL_ALLOW_HEADERS, HEADERS))
                .insert_header((header::ACCESS_CONTROL_MAX_AGE, "600"));
        }
        Some(answer.finish())
    }

    /// Adds what an allowed origin needs to read the answer.
    pub fn mark(&self, request: &ClientRequest, headers: &mut HeaderMap) {
        if self.origins.is_empty() || !request.headers().contains_key(header::ORIGIN) {
            return;
        }
        headers.append(header::VARY, HeaderValue::from_static("Origin"));
        if self.origin(request) == Origin::Allowed
            && let Some(origin) = request.headers().get(header::ORIGIN)
        {
            headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
            headers.insert(
                header::ACCESS_CONTROL_ALLOW_CREDENTIALS,
                HeaderValue::from_static("true"),
            );
            headers.insert(
                HeaderName::from_static("access-control-expose-headers"),
                HeaderValue::from_static(EXPOSED),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::test::TestRequest;

    #[test]
    fn origins_are_compared_whole() {
        let cors = Cors::new(vec!["http://localhost:3000".into()]);
        let origin = |value: &str| {
            cors.origin(
                &TestRequest::get()
                    .insert_header((header::HOST, "clinic.example:8080"))
                    .insert_header((header::ORIGIN, value.to_owned()))
                    .to_request(),
            )
        };
        assert_eq!(origin("http://localhost:3000"), Origin::Allowed);
        assert_eq!(origin("https://clinic.example:8080"), Origin::Same);
        for foreign in [
            "null",
            "http://localhost:3001",
            "http://localhost:3000.evil.example",
            "https://evil.example",
            "https://clinic.example",
            "file://clinic.example:8080",
            "",
        ] {
            assert_eq!(origin(foreign), Origin::Foreign, "{foreign}");
        }
        assert_eq!(
            cors.origin(&TestRequest::get().to_request()),
            Origin::Absent
        );
    }
}
