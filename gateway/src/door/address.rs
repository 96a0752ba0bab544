//! A client's address as limits count it.

use std::net::IpAddr;

/// What limits by address count, without an allocation.
#[derive(Debug, Clone, Copy)]
pub struct Address([u8; 8], usize);

impl Address {
    /// The budget that this client's calls count against.
    pub fn of(client: IpAddr) -> Self {
        let mut bytes = [0; 8];
        match client {
            IpAddr::V4(address) => {
                bytes[..4].copy_from_slice(&address.octets());
                Self(bytes, 4)
            }
            // One customer has a whole /64.
            IpAddr::V6(address) => {
                bytes.copy_from_slice(&address.octets()[..8]);
                Self(bytes, 8)
            }
        }
    }

    /// Its bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0[..self.1]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_customer_has_one_budget() {
        let of = |text: &str| Address::of(text.parse().unwrap()).as_bytes().to_vec();
        assert_eq!(of("2001:db8:1:2::1"), of("2001:db8:1:2:ffff::9"));
        assert_ne!(of("2001:db8:1:2::1"), of("2001:db8:1:3::1"));
        assert_ne!(of("203.0.113.1"), of("203.0.113.2"));
    }
}
