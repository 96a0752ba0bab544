//! Address blocks of proxies whose word about the client counts.

use std::net::IpAddr;
use std::str::FromStr;

/// An address block such as `10.0.0.0/8`; a single address is a block of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Block {
    address: IpAddr,
    bits: u8,
}

/// The text is no address block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an address block")]
pub struct NotABlock;

impl FromStr for Block {
    type Err = NotABlock;

    fn from_str(text: &str) -> Result<Self, NotABlock> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| NotABlock)?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let bits = bits.map_or(Ok(most), |bits| bits.parse::<u8>().map_err(|_| NotABlock))?;
        if bits <= most {
            Ok(Self { address, bits })
        } else {
            Err(NotABlock)
        }
    }
}

impl Block {
    /// Whether the address lies in the block; IPv4-mapped IPv6 addresses count as IPv4.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                let shift = 32 - u32::from(self.bits);
                shift == 32 || u32::from(own) >> shift == u32::from(other) >> shift
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                let shift = 128 - u32::from(self.bits);
                shift == 128 || u128::from(own) >> shift == u128::from(other) >> shift
            }
            _ => false,
        }
    }
}

/// The client's address: the peer, or, when the peer is a trusted proxy, the right-most address of `X-Forwarded-For`
/// that is not a trusted proxy itself. What stands further left was written by strangers.
pub fn client_address(peer: IpAddr, forwarded: Option<&str>, trusted: &[Block]) -> IpAddr {
    let peer = peer.to_canonical();
    if trusted.is_empty() || !trusted.iter().any(|block| block.contains(peer)) {
        return peer;
    }
    let mut client = peer;
    for hop in forwarded.unwrap_or_default().rsplit(',') {
        let Ok(address) = hop.trim().parse::<IpAddr>() else {
            break;
        };
        client = address.to_canonical();
        if !trusted.iter().any(|block| block.contains(client)) {
            break;
        }
    }
    client
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks() {
        let block: Block = "10.1.0.0/16".parse().unwrap();
        assert!(block.contains("10.1.255.3".parse().unwrap()));
        assert!(block.contains("::ffff:10.1.0.1".parse().unwrap()));
        assert!(!block.contains("10.2.0.1".parse().unwrap()));
        assert!(
            "::1"
                .parse::<Block>()
                .unwrap()
                .contains("::1".parse().unwrap())
        );
        assert!(
            "0.0.0.0/0"
                .parse::<Block>()
                .unwrap()
                .contains("1.2.3.4".parse().unwrap())
        );
        for wrong in ["", "10.0.0.0/33", "x/8", "10.0.0.0/x", "::/129"] {
            assert_eq!(wrong.parse::<Block>(), Err(NotABlock), "{wrong}");
        }
    }

    #[test]
    fn q_g1_the_right_most_untrusted_hop_counts() {
        let trusted = ["10.0.0.0/8".parse().unwrap(), "127.0.0.1".parse().unwrap()];
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        assert_eq!(
            client_address(ip("9.9.9.9"), Some("1.1.1.1"), &trusted),
            ip("9.9.9.9"),
            "an untrusted peer lies"
        );
        assert_eq!(
            client_address(ip("9.9.9.9"), Some("1.1.1.1"), &[]),
            ip("9.9.9.9")
        );
        assert_eq!(
            client_address(ip("10.0.0.1"), None, &trusted),
            ip("10.0.0.1")
        );
        assert_eq!(
            client_address(ip("10.0.0.1"), Some("6.6.6.6, 8.8.8.8, 10.0.0.2"), &trusted),
            ip("8.8.8.8")
        );
        assert_eq!(
            client_address(ip("10.0.0.1"), Some("junk, 10.0.0.2"), &trusted),
            ip("10.0.0.2")
        );
    }
}
