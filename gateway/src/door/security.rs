//! Headers that every answer carries.

use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};

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
    let html = headers.get("content-type").is_some_and(|value| {
        value
            .as_bytes()
            .to_ascii_lowercase()
            .starts_with(b"text/html")
    });
    let policy = match (html, development_page) {
        (true, true) => DEVELOPMENT_POLICY,
        (true, false) => PAGE_POLICY,
        _ => DATA_POLICY,
    };
    let set = |headers: &mut HeaderMap, name: &'static str, value: &'static str| {
        let name = HeaderName::from_static(name);
        if !headers.contains_key(&name) {
            headers.insert(name, HeaderValue::from_static(value));
        }
    };
    headers.insert(
        HeaderName::from_static("x-content-type-options"),
        HeaderValue::from_static("nosniff"),
    );
    set(headers, "content-security-policy", policy);
    set(headers, "referrer-policy", "same-origin");
    set(headers, "x-frame-options", "DENY");
    if html {
        set(headers, "cross-origin-opener-policy", "same-origin");
        set(
            headers,
            "permissions-policy",
            "camera=(self), microphone=(self), geolocation=(), payment=()",
        );
    }
    if https {
        set(
            headers,
            "strict-transport-security",
            "max-age=31536000; includeSubDomains",
        );
    }
}
