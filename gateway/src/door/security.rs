//! Headers that every answer carries.

use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};

/// For documents of the web application and the API pages: scripts from our own files only.
/// Styles may stand inline because the component library computes some.
pub const PAGE_POLICY: &str = "default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
     img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self'; media-src 'self' blob:; \
     worker-src 'self' blob:; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/// For answers that are no documents.
const DATA_POLICY: &str = "default-src 'none'; frame-ancestors 'none'";

/// Simulators' pages are plain forms that send the payer back to any address of the installation.
const DEVELOPMENT_POLICY: &str = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
     object-src 'none'; base-uri 'none'; frame-ancestors 'none'";

/// Adds what is not there yet. A service's own, stricter policy stands.
pub fn apply(headers: &mut HeaderMap, https: bool, development_page: bool) {
    let html = headers
        .get(header::CONTENT_TYPE)
        .is_some_and(|value| starts_like(value.as_bytes(), b"text/html"));
    let policy = match (html, development_page) {
        (true, true) => DEVELOPMENT_POLICY,
        (true, false) => PAGE_POLICY,
        _ => DATA_POLICY,
    };
    let set = |headers: &mut HeaderMap, name: HeaderName, value: &'static str| {
        if !headers.contains_key(&name) {
            headers.insert(name, HeaderValue::from_static(value));
        }
    };
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    set(headers, header::CONTENT_SECURITY_POLICY, policy);
    set(headers, header::REFERRER_POLICY, "same-origin");
    set(headers, header::X_FRAME_OPTIONS, "DENY");
    if html {
        set(
            headers,
            HeaderName::from_static("cross-origin-opener-policy"),
            "same-origin",
        );
        set(
            headers,
            HeaderName::from_static("permissions-policy"),
            "camera=(self), microphone=(self), geolocation=(), payment=()",
        );
    }
    if https {
        set(
            headers,
            header::STRICT_TRANSPORT_SECURITY,
            "max-age=31536000; includeSubDomains",
        );
    }
}

fn starts_like(value: &[u8], start: &[u8]) -> bool {
    value
        .get(..start.len())
        .is_some_and(|begin| begin.eq_ignore_ascii_case(start))
}
