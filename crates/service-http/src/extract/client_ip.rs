//! The caller's address.

use std::net::{IpAddr, Ipv4Addr};

use actix_web::{FromRequest, HttpRequest, dev::Payload};
use futures_util::future::{Ready, ready};

use crate::{error::ApiError, stack::Stack};

/// The client's address: the one the gateway vouches for with its MAC, else the peer's (decision
/// 10). No other header is believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientIp(pub IpAddr);

impl FromRequest for ClientIp {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Ok(Self(client_ip(request))))
    }
}

/// As the extractor, for code that has the request at hand.
pub fn client_ip(request: &HttpRequest) -> IpAddr {
    vouched(request).unwrap_or_else(|| {
        request
            .peer_addr()
            .map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| {
                peer.ip().to_canonical()
            })
    })
}

fn vouched(request: &HttpRequest) -> Option<IpAddr> {
    let stack = Stack::of(request).ok()?;
    let mut values = request.headers().get_all(service_auth::client_ip::HEADER);
    let value = values.next()?.to_str().ok()?;
    if values.next().is_some() {
        return None;
    }
    let key = stack.client_ip_key.expose();
    if key.is_empty() {
        return None;
    }
    service_auth::client_ip::verify(key.as_bytes(), value, stack.clock.now())
}
