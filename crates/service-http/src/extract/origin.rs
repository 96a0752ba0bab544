//! The `Origin` check of browsers' requests (decisions 7 and 27).

use actix_web::{HttpRequest, http::header};
use url::Url;

use crate::stack::Stack;

/// Local addresses that development allows beside the public one.
const DEVELOPMENT_PORTS: [u16; 2] = [3000, 5173];

/// For WebSockets: an absent `Origin` (no browser) is allowed, a foreign or `null` one is not.
pub fn allowed_or_absent(request: &HttpRequest, stack: &Stack) -> bool {
    match origin_of(request) {
        Sent::Absent => true,
        Sent::One(origin) => is_ours(&origin, stack),
        Sent::Bad => false,
    }
}

/// For cookie sessions on unsafe methods: the `Origin` must be there and ours.
pub fn from_our_pages(request: &HttpRequest, stack: &Stack) -> bool {
    match origin_of(request) {
        Sent::One(origin) => is_ours(&origin, stack),
        Sent::Absent | Sent::Bad => false,
    }
}

enum Sent {
    Absent,
    One(Url),
    Bad,
}

fn origin_of(request: &HttpRequest) -> Sent {
    let mut values = request.headers().get_all(header::ORIGIN);
    let Some(value) = values.next() else {
        return Sent::Absent;
    };
    match value.to_str().ok().and_then(|text| Url::parse(text).ok()) {
        Some(url) if values.next().is_none() && url.has_host() => Sent::One(url),
        _ => Sent::Bad,
    }
}

fn is_ours(origin: &Url, stack: &Stack) -> bool {
    let same = |ours: &Url| ours.origin() == origin.origin();
    if stack.origins.iter().any(same) {
        return true;
    }
    stack.environment_is_development()
        && origin.scheme() == "http"
        && matches!(origin.host_str(), Some("localhost" | "127.0.0.1"))
        && (origin
            .port()
            .is_some_and(|port| DEVELOPMENT_PORTS.contains(&port))
            || stack
                .origins
                .iter()
                .any(|ours| ours.port_or_known_default() == origin.port_or_known_default()))
}
