//! The client's address, vouched for by the gateway (decisions.md 10).
//!
//! The gateway removes every `X-Tabib-*` header that came from outside and adds
//! `X-Tabib-Client-Ip: <ip>;<unix seconds>;<hex HMAC-SHA-256>`. Without a valid header the peer address counts.

use std::net::IpAddr;

use chrono::{DateTime, Utc};

use crate::tokens::{ct_eq, hmac_sha256};

/// The header's name, lower case.
pub const HEADER: &str = "x-tabib-client-ip";
/// How old a vouched address may be, in seconds; clocks may differ by as much.
pub const MAX_AGE_SECONDS: i64 = 60;

/// The header's value for this address at this time.
#[must_use]
pub fn sign(key: &[u8], ip: IpAddr, now: DateTime<Utc>) -> String {
    let (ip, at) = (ip.to_canonical().to_string(), now.timestamp().to_string());
    let mac = hex::encode(mac(key, &ip, &at));
    format!("{ip};{at};{mac}")
}

/// The address, when the header was made with this key within [`MAX_AGE_SECONDS`].
#[must_use]
pub fn verify(key: &[u8], header: &str, now: DateTime<Utc>) -> Option<IpAddr> {
    let mut parts = header.splitn(3, ';');
    let (ip, at, given) = (parts.next()?, parts.next()?, parts.next()?);
    let given = hex::decode(given).ok()?;
    if !ct_eq(&mac(key, ip, at), &given) {
        return None;
    }
    let at: i64 = at.parse().ok()?;
    if now.timestamp().checked_sub(at)?.unsigned_abs() > MAX_AGE_SECONDS.unsigned_abs() {
        return None;
    }
    ip.parse().ok()
}

fn mac(key: &[u8], ip: &str, at: &str) -> [u8; 32] {
    hmac_sha256(key, &[b"tabib.client-ip.v1", ip.as_bytes(), at.as_bytes()])
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::TimeDelta;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn round_trip(v4 in any::<u32>(), v6 in any::<u128>(), key in any::<[u8; 32]>()) {
            let now = Utc::now();
            for ip in [IpAddr::from(v4.to_be_bytes()), IpAddr::from(v6.to_be_bytes())] {
                let header = sign(&key, ip, now);
                prop_assert_eq!(verify(&key, &header, now), Some(ip.to_canonical()));
                prop_assert_eq!(verify(b"other", &header, now), None);
                prop_assert_eq!(verify(&key, &header, now + TimeDelta::seconds(61)), None);
                prop_assert_eq!(verify(&key, &header, now - TimeDelta::seconds(61)), None);
            }
        }
        #[test]
        fn junk_is_no_address(s in "\\PC{0,80}") {
            prop_assert_eq!(verify(b"k", &s, Utc::now()), None);
        }
    }

    #[test]
    fn another_address_under_the_same_mac_is_refused() {
        let now = Utc::now();
        let header = sign(b"k", IpAddr::from([10, 0, 0, 1]), now);
        assert_eq!(
            verify(b"k", &header.replace("10.0.0.1", "10.0.0.2"), now),
            None
        );
    }
}
