//! Which headers cross the gateway (Q-G1), and in which direction.
//!
//! Identity and forwarding headers come from the gateway alone. A client's own spelling of one (any case, `_` for
//! `-`, twice, named in `Connection`) never reaches a service: names are compared after lower-casing, and names with
//! an underscore or any other byte than letters, digits and dashes are dropped whatever they say (CVE-2025-64484).

use actix_web::http::header::{HeaderMap, HeaderName};

/// Names that the framework has no constant for, parsed once.
pub static X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// W3C trace context.
pub static TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
/// Set by proxies in front.
pub static X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
/// An API key beside `Authorization`.
pub static X_API_KEY: HeaderName = HeaderName::from_static("x-api-key");
/// A call that may be repeated.
pub static IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// Names that travel one hop only (RFC 9110 section 7.6.1, and the older ones still met).
const HOP_BY_HOP: [&str; 10] = [
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "http2-settings",
];

/// Names that only the gateway may write, or that change what a request means behind its back.
const RESERVED: [&str; 31] = [
    "forwarded",
    "via",
    "x-real-ip",
    "x-client-ip",
    "x-cluster-client-ip",
    "x-remote-ip",
    "x-remote-addr",
    "x-remote-user",
    "remote-user",
    "remote-addr",
    "true-client-ip",
    "cf-connecting-ip",
    "fastly-client-ip",
    "x-appengine-user-ip",
    "x-host",
    "x-scheme",
    "x-url-scheme",
    "front-end-https",
    "x-http-method",
    "x-http-method-override",
    "x-method-override",
    "x-role",
    "x-roles",
    "x-scope",
    "x-scopes",
    "x-organization-id",
    "x-org-id",
    "x-tenant-id",
    "x-subject",
    "x-principal",
    "x-username",
];

/// Beginnings of such names.
const RESERVED_PREFIXES: [&str; 12] = [
    "x-tabib",
    "x-forwarded",
    "x-user",
    "x-auth-",
    "x-authenticated",
    "x-original",
    "x-rewrite",
    "x-internal",
    "x-envoy",
    "x-consumer",
    "x-ssl",
    "proxy-",
];

/// Headers that mean nothing when given twice: a second one is a try to be read in two ways, answered with 400.
pub const SINGLE: [&str; 7] = [
    "authorization",
    "content-type",
    "idempotency-key",
    "x-patient-access-token",
    "x-api-key",
    "origin",
    "upgrade",
];

/// Whether a client's header of this (lower-case) name may be handed to a service.
pub fn may_enter(name: &str) -> bool {
    name.bytes()
        .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
        && !HOP_BY_HOP.contains(&name)
        && !is_reserved(name)
        && !matches!(
            name,
            "host"
                | "content-length"
                | "expect"
                | "x-request-id"
                | "traceparent"
                | "tracestate"
                // The frames of WebSockets are watched as they stand.
                | "sec-websocket-extensions"
        )
}

/// Whether a service's header of this (lower-case) name may be handed to the client.
pub fn may_leave(name: &str) -> bool {
    !HOP_BY_HOP.contains(&name)
        && !name.starts_with("x-tabib-")
        && !name.starts_with("access-control-")
        && !matches!(
            name,
            "server"
                | "x-powered-by"
                | "content-length"
                | "date"
                | "x-request-id"
                | "x-content-type-options"
        )
}

fn is_reserved(name: &str) -> bool {
    // Most headers do not begin like a reserved one: decide by the first letter before comparing lists.
    match name.as_bytes().first() {
        Some(b'x') => {
            name.starts_with("x-")
                && (RESERVED_PREFIXES
                    .iter()
                    .any(|prefix| name.starts_with(prefix))
                    || RESERVED.contains(&name))
        }
        Some(b'f' | b'v' | b'r' | b't' | b'c' | b'p') => {
            name.starts_with("proxy-") || RESERVED.contains(&name)
        }
        _ => false,
    }
}

/// The names listed in `Connection` that are not connection options: RFC 9110 says a proxy removes those headers.
/// Empty for nearly every request, so that the common case allocates nothing.
pub fn named_in_connection(headers: &HeaderMap) -> Vec<String> {
    let mut names = Vec::new();
    for value in headers.get_all(actix_web::http::header::CONNECTION) {
        let Ok(text) = value.to_str() else { continue };
        if text.eq_ignore_ascii_case("keep-alive") || text.eq_ignore_ascii_case("close") {
            continue;
        }
        for token in text.split(',') {
            let token = token.trim().to_ascii_lowercase();
            if !token.is_empty()
                && !matches!(token.as_str(), "keep-alive" | "close" | "upgrade" | "te")
            {
                names.push(token);
            }
        }
    }
    names
}

/// The first of [`SINGLE`] that is given more than once.
pub fn doubled(headers: &HeaderMap) -> Option<&'static str> {
    if headers.len() == headers.len_keys() {
        return None;
    }
    SINGLE
        .into_iter()
        .find(|name| headers.get_all(*name).nth(1).is_some())
}

/// Whether a `Host` is well-formed and, where there is a list of (lower-case) names, on it.
pub fn host_is_fine(host: Option<&str>, allowed: &[String]) -> bool {
    let Some(host) = host else { return false };
    let plain = !host.is_empty()
        && host.bytes().all(|byte| {
            byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b':' | b'[' | b']')
        });
    plain
        && (allowed.is_empty() || {
            let name = host
                .rsplit_once(':')
                .filter(|(_, port)| port.bytes().all(|byte| byte.is_ascii_digit()));
            let name = name.map_or(host, |(name, _)| name).to_ascii_lowercase();
            allowed.contains(&name)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn q_g1_names_of_the_gateway_do_not_enter() {
        for name in [
            "x-tabib-client-ip",
            "x-tabib-user",
            "x_tabib_client_ip",
            "x-forwarded-for",
            "x-forwarded-host",
            "x-forwarded-prefix",
            "x_forwarded_for",
            "forwarded",
            "x-real-ip",
            "x_real_ip",
            "x-user-id",
            "x-user-role",
            "x_user_id",
            "x-userid",
            "x-original-url",
            "x-rewrite-url",
            "x-http-method-override",
            "proxy-authorization",
            "connection",
            "transfer-encoding",
            "te",
            "http_authorization",
        ] {
            assert!(!may_enter(name), "{name}");
        }
    }

    #[test]
    fn the_headers_of_the_contracts_enter() {
        for name in [
            "authorization",
            "cookie",
            "content-type",
            "accept-language",
            "x-patient-access-token",
            "x-signature",
            "x-timestamp",
            "x-nonce",
            "x-api-key",
            "x-requested-with",
            "idempotency-key",
            "range",
            "if-none-match",
            "stripe-signature",
            "webhook-signature",
            "user-agent",
            "origin",
            "sec-websocket-key",
        ] {
            assert!(may_enter(name), "{name}");
        }
    }
}
