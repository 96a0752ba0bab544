//! Pure rules of the shield.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

/// The switch of everything.
pub const ALL: &str = "all";
/// The switch that is challenge mode.
pub const CHALLENGE: &str = "challenge";
/// The longest block.
const LONGEST_BLOCK: TimeDelta = TimeDelta::days(7);

/// What a switch stops; as text it is the row's key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// Every code.
    All,
    /// Codes of one purpose.
    Purpose(String),
    /// Codes that one organisation asks for.
    Organization(Uuid),
    /// Challenge mode: not a stop, a demand.
    Challenge,
}

impl Scope {
    /// Reads `all`, `challenge`, `purpose:<name>` or `organization:<id>`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text.split_once(':') {
            None if text == ALL => Some(Self::All),
            None if text == CHALLENGE => Some(Self::Challenge),
            Some(("purpose", name))
                if !name.is_empty()
                    && name.len() <= 50
                    && name
                        .bytes()
                        .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_') =>
            {
                Some(Self::Purpose(name.to_owned()))
            }
            Some(("organization", id)) => id.parse().ok().map(Self::Organization),
            _ => None,
        }
    }
}

impl std::fmt::Display for Scope {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::All => f.write_str(ALL),
            Self::Challenge => f.write_str(CHALLENGE),
            Self::Purpose(name) => write!(f, "purpose:{name}"),
            Self::Organization(id) => write!(f, "organization:{id}"),
        }
    }
}

/// An address without its IPv4-in-IPv6 coat: both forms are one source.
#[must_use]
pub fn plain(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V6(v6) => v6.to_ipv4_mapped().map_or(ip, IpAddr::V4),
        IpAddr::V4(_) => ip,
    }
}

/// The network an address shares with its neighbours: /24, or /48 of IPv6.
#[must_use]
pub fn network(ip: IpAddr) -> String {
    match plain(ip) {
        IpAddr::V4(v4) => {
            let [a, b, c, _] = v4.octets();
            format!("{}/24", Ipv4Addr::new(a, b, c, 0))
        }
        IpAddr::V6(v6) => {
            let [a, b, c, ..] = v6.segments();
            format!("{}/48", Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0))
        }
    }
}

/// What is counted and blocked as one source: an IPv4 address, or a /64 of IPv6, which one household holds.
#[must_use]
pub fn source(ip: IpAddr) -> String {
    match plain(ip) {
        IpAddr::V4(v4) => v4.to_string(),
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            format!("{}/64", Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
    }
}

/// A source as an operator types it: an address, a /24, a /64 or a /48.
#[must_use]
pub fn parse_source(text: &str) -> Option<String> {
    let text = text.trim();
    match text.split_once('/') {
        None => text.parse().ok().map(source),
        Some((address, "24")) => {
            let v4: Ipv4Addr = address.parse().ok()?;
            Some(network(IpAddr::V4(v4)))
        }
        Some((address, "64")) => {
            let v6: Ipv6Addr = address.parse().ok()?;
            Some(source(IpAddr::V6(v6)))
        }
        Some((address, "48")) => {
            let v6: Ipv6Addr = address.parse().ok()?;
            Some(network(IpAddr::V6(v6)))
        }
        Some(_) => None,
    }
}

/// How long the `times`-th block lasts: four times the one before, a week at most.
#[must_use]
pub fn block_length(first_seconds: i64, times: i32) -> TimeDelta {
    let steps = u32::try_from(times.saturating_sub(1)).unwrap_or(0).min(12);
    let seconds = first_seconds.saturating_mul(4_i64.saturating_pow(steps));
    TimeDelta::try_seconds(seconds).map_or(LONGEST_BLOCK, |length| length.min(LONGEST_BLOCK))
}

/// Leading zero bits of a digest.
#[must_use]
pub fn leading_zero_bits(digest: &[u8]) -> u32 {
    let mut bits = 0;
    for byte in digest {
        bits += byte.leading_zeros();
        if *byte != 0 {
            break;
        }
    }
    bits
}

/// Whether an end lies in the future; no end never comes.
#[must_use]
pub fn lives(ends_at: Option<DateTime<Utc>>, now: DateTime<Utc>) -> bool {
    ends_at.is_none_or(|end| now < end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_and_networks() {
        let v4: IpAddr = "203.0.113.77".parse().unwrap();
        let coated: IpAddr = "::ffff:203.0.113.77".parse().unwrap();
        let v6: IpAddr = "2001:db8:1:2:3::9".parse().unwrap();
        assert_eq!(source(v4), source(coated));
        assert_eq!(network(coated), "203.0.113.0/24");
        assert_eq!(source(v6), "2001:db8:1:2::/64");
        assert_eq!(network(v6), "2001:db8:1::/48");
        assert_eq!(
            parse_source(" 203.0.113.77 ").as_deref(),
            Some("203.0.113.77")
        );
        assert_eq!(
            parse_source("203.0.113.9/24").as_deref(),
            Some("203.0.113.0/24")
        );
        assert_eq!(
            parse_source("2001:db8:1:2::/64").as_deref(),
            Some("2001:db8:1:2::/64")
        );
        for bad in ["", "x", "203.0.113.0/8", "0.0.0.0/0", "::/0"] {
            assert_eq!(parse_source(bad), None, "{bad}");
        }
    }

    #[test]
    fn scopes_read_back() {
        let organization = Scope::Organization(Uuid::from_u128(7));
        for scope in [
            Scope::All,
            Scope::Challenge,
            Scope::Purpose("login_s4".into()),
            organization,
        ] {
            assert_eq!(Scope::parse(&scope.to_string()), Some(scope));
        }
        for bad in [
            "",
            "everything",
            "purpose:",
            "purpose:A b",
            "organization:7",
            "all:x",
        ] {
            assert_eq!(Scope::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn blocks_grow_and_end() {
        assert_eq!(block_length(900, 1), TimeDelta::seconds(900));
        assert_eq!(block_length(900, 2), TimeDelta::seconds(3600));
        assert_eq!(block_length(900, 100), TimeDelta::days(7));
        assert_eq!(block_length(i64::MAX, 2), TimeDelta::days(7));
    }

    #[test]
    fn zero_bits_are_counted_from_the_front() {
        assert_eq!(leading_zero_bits(&[0, 0b0001_0000, 0]), 11);
        assert_eq!(leading_zero_bits(&[0x80]), 0);
        assert_eq!(leading_zero_bits(&[0, 0]), 16);
    }
}
