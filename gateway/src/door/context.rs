//! Who asks and under which ids: client address, request id, trace.

use std::cell::RefCell;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};

use actix_http::{HttpMessage as _, Request as ClientRequest};
use actix_web::http::header::{HeaderName, HeaderValue};
use common_types::clock::SharedClock;
use service_telemetry::RequestId;

use crate::cidr::{Block, client_address};
use crate::headers;

/// Ids of one request.
#[derive(Debug, Clone)]
pub struct Context {
    /// The client's or a fresh request id.
    pub request_id: RequestId,
    /// The client's address.
    pub client: IpAddr,
    /// The trace.
    pub trace: Trace,
}

/// A W3C trace context.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trace {
    /// Trace id, kept from the client when it sent one.
    pub trace_id: u128,
    /// The span id that services see as their parent.
    pub span_id: u64,
    /// Decided here, not by the client: else anybody could make us record everything.
    pub sampled: bool,
    /// The client's span, when it sent a trace.
    pub parent: Option<u64>,
}

impl Trace {
    /// Continues the client's trace or begins one.
    pub fn of(traceparent: Option<&str>, ratio: f64) -> Self {
        let given = traceparent.and_then(parse);
        let trace_id = given.map_or_else(|| rand::random::<u128>() | 1, |(trace_id, _)| trace_id);
        Self {
            trace_id,
            span_id: rand::random::<u64>() | 1,
            sampled: ratio >= 1.0 || (ratio > 0.0 && rand::random::<f64>() < ratio),
            parent: given.map(|(_, parent)| parent),
        }
    }

    /// The header for the service.
    pub fn header(&self) -> [u8; 55] {
        let mut text = *b"00-00000000000000000000000000000000-0000000000000000-00";
        // The slices are as long as the numbers' digits.
        let _ = hex::encode_to_slice(self.trace_id.to_be_bytes(), &mut text[3..35]);
        let _ = hex::encode_to_slice(self.span_id.to_be_bytes(), &mut text[36..52]);
        text[54] = b'0' + u8::from(self.sampled);
        text
    }

    /// What a span recorded here continues: the client's span, with our decision to record it.
    pub fn parent_header(&self) -> Option<String> {
        self.parent
            .map(|parent| format!("00-{:032x}-{parent:016x}-01", self.trace_id))
    }
}

/// Trace and span id of a well-formed `traceparent`.
fn parse(text: &str) -> Option<(u128, u64)> {
    let mut parts = text.split('-');
    let (version, trace, span, flags) =
        (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let hex = |part: &str, length: usize| {
        part.len() == length
            && part
                .bytes()
                .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    };
    let fine =
        hex(version, 2) && version != "ff" && hex(trace, 32) && hex(span, 16) && hex(flags, 2);
    if !fine || (version == "00" && parts.next().is_some()) {
        return None;
    }
    let (trace, span) = (
        u128::from_str_radix(trace, 16).ok()?,
        u64::from_str_radix(span, 16).ok()?,
    );
    (trace != 0 && span != 0).then_some((trace, span))
}

impl Context {
    /// Reads a request's ids.
    pub fn of(request: &ClientRequest, trusted: &[Block], trace_ratio: f64) -> Self {
        let given = request.headers();
        let text = |name: &HeaderName| given.get(name).and_then(|value| value.to_str().ok());
        let peer = request
            .peer_addr()
            .map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.ip());
        let forwarded = if trusted.is_empty() {
            None
        } else {
            text(&headers::X_FORWARDED_FOR)
        };
        Self {
            request_id: text(&headers::X_REQUEST_ID)
                .and_then(RequestId::accept)
                .unwrap_or_else(RequestId::fresh),
            client: client_address(peer, forwarded, trusted),
            trace: Trace::of(text(&headers::TRACEPARENT), trace_ratio),
        }
    }
}

/// Vouched addresses, kept some seconds per address: the same client asks often, and a MAC is not free.
pub struct Voucher {
    key: Vec<u8>,
    clock: SharedClock,
    kept: RefCell<HashMap<IpAddr, (i64, HeaderValue)>>,
}

impl Voucher {
    /// Seconds a signed value is used again; services take it for a minute.
    const KEPT_SECONDS: i64 = 10;

    /// A voucher under this key.
    pub fn new(key: &str, clock: SharedClock) -> Self {
        Self {
            key: key.as_bytes().to_vec(),
            clock,
            kept: RefCell::default(),
        }
    }

    /// The value of `X-Tabib-Client-Ip`.
    pub fn header(&self, client: IpAddr) -> Option<HeaderValue> {
        let now = self.clock.now();
        let second = now.timestamp();
        let mut kept = self.kept.borrow_mut();
        if let Some((at, value)) = kept.get(&client)
            && (second - at).abs() < Self::KEPT_SECONDS
        {
            return Some(value.clone());
        }
        let value =
            HeaderValue::from_str(&service_auth::client_ip::sign(&self.key, client, now)).ok()?;
        if kept.len() >= 4096 {
            kept.clear();
        }
        kept.insert(client, (second, value.clone()));
        Some(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_is_continued_only_when_it_is_well_formed() {
        let good = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let trace = Trace::of(Some(good), 0.0);
        assert!(
            trace.parent.is_some() && !trace.sampled,
            "the client's sampling wish does not count"
        );
        assert!(
            trace
                .header()
                .starts_with(b"00-4bf92f3577b34da6a3ce929d0e0e4736-")
        );
        assert!(trace.header().ends_with(b"-00"));
        assert!(Trace::of(Some(good), 1.0).header().ends_with(b"-01"));
        for bad in [
            "",
            "00-0-0-0",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x",
        ] {
            assert!(Trace::of(Some(bad), 0.0).parent.is_none(), "{bad}");
        }
    }
}
