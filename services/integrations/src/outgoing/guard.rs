//! Which addresses may be posted to. A name is resolved by [`PublicOnly`] and the connection goes to the very addresses
//! that were checked, so a name that changes its mind in between gains nothing.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
};

use ipnet::IpNet;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::{Host, Url};

/// Why an address is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Forbidden {
    /// Not an absolute address with a host.
    #[error("Enter a valid URL.")]
    NotAnUrl,
    /// Neither https nor, where that is allowed, http.
    #[error("The address must begin with https://.")]
    Scheme,
    /// A name or password inside.
    #[error("The address must not contain a user name or a password.")]
    Credentials,
    /// It leads into a network that is not the public internet.
    #[error("The address does not lead to the public internet.")]
    Private,
}

/// What may be posted to.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    /// Whether http will do; development only.
    pub allow_http: bool,
    /// Networks that are allowed although they are not public.
    pub allowed: Arc<[IpNet]>,
}

impl Rules {
    /// Whether a connection to this address is allowed.
    pub fn allows(&self, address: IpAddr) -> bool {
        let plain = address.to_canonical();
        self.allowed.iter().any(|network| network.contains(&plain)) || is_public(plain)
    }

    /// Checks what can be told without resolving anything.
    ///
    /// # Errors
    /// [`Forbidden`].
    pub fn check(&self, text: &str) -> Result<Url, Forbidden> {
        let url = Url::parse(text.trim()).map_err(|_| Forbidden::NotAnUrl)?;
        match url.scheme() {
            "https" => {}
            "http" if self.allow_http => {}
            _ => return Err(Forbidden::Scheme),
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Forbidden::Credentials);
        }
        // The parser has already brought forms such as 0x7f.1 or 2130706433 to the address they mean.
        let address: Option<IpAddr> = match url.host() {
            None => return Err(Forbidden::NotAnUrl),
            Some(Host::Ipv4(address)) => Some(address.into()),
            Some(Host::Ipv6(address)) => Some(address.into()),
            Some(Host::Domain(name)) => {
                let name = name.trim_end_matches('.').to_ascii_lowercase();
                let local = name == "localhost"
                    || name.ends_with(".localhost")
                    || name.ends_with(".local")
                    || name.ends_with(".internal");
                if local && !self.allows(Ipv4Addr::LOCALHOST.into()) {
                    return Err(Forbidden::Private);
                }
                None
            }
        };
        match address {
            Some(address) if !self.allows(address) => Err(Forbidden::Private),
            _ => Ok(url),
        }
    }
}

/// Whether an address belongs to the public internet (IANA special-purpose registries).
pub fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    // This network, private, loopback, link-local with the metadata services, multicast and reserved; then shared and
    // benchmark networks; then protocol assignments, documentation and the old relay of 6to4.
    let special = matches!(
        (a, b, c),
        (0 | 10 | 127 | 224.., ..)
            | (169, 254, _)
            | (192, 168, _)
            | (172, 16..=31, _)
            | (100, 64..=127, _)
            | (198, 18..=19, _)
            | (192, 0, 0 | 2)
            | (198, 51, 100)
            | (203, 0, 113)
            | (192, 88, 99)
    );
    !special
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let parts = address.segments();
    // Only 2000::/3 is handed out for the internet; of it, these carry something else or another address inside.
    let special = matches!(
        (parts[0], parts[1]),
        (0x2001, 0..=0x01ff | 0x0db8) | (0x2002, _) | (0x3fff, 0..=0x0fff)
    );
    parts[0] & 0xe000 == 0x2000 && !special
}

/// A resolver that answers only when every address of a name may be connected to.
#[derive(Clone, Debug)]
pub struct PublicOnly(pub Rules);

/// The word by which a refused name is recognised among connection errors.
#[derive(Debug, thiserror::Error)]
#[error("the name does not lead to the public internet")]
pub struct NotPublic;

impl Resolve for PublicOnly {
    fn resolve(&self, name: Name) -> Resolving {
        let rules = self.0.clone();
        Box::pin(async move {
            let found: Vec<SocketAddr> =
                tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            if !found.iter().all(|address| rules.allows(address.ip())) {
                return Err(NotPublic.into());
            }
            let addresses: Addrs = Box::new(found.into_iter());
            Ok(addresses)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strict() -> Rules {
        Rules::default()
    }

    #[test]
    fn q_no_address_inside_a_network_is_public() {
        for inside in [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "100.64.0.1",
            "100.100.100.200",
            "127.0.0.1",
            "127.255.255.255",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.1",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.51.100.7",
            "203.0.113.9",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "::ffff:a00:1",
            "::7f00:1",
            "64:ff9b::7f00:1",
            "64:ff9b:1::1",
            "100::1",
            "2001::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "3fff::1",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ] {
            assert!(!is_public(inside.parse().unwrap()), "{inside}");
        }
        for outside in [
            "1.1.1.1",
            "8.8.8.8",
            "172.32.0.1",
            "100.128.0.1",
            "192.0.1.1",
            "2606:4700::1111",
            "2001:4860:4860::8888",
        ] {
            assert!(is_public(outside.parse().unwrap()), "{outside}");
        }
    }

    #[test]
    fn q_addresses_are_refused_in_every_spelling() {
        for inside in [
            "https://127.0.0.1/",
            "https://127.1/",
            "https://0x7f000001/",
            "https://2130706433/",
            "https://017700000001/",
            "https://[::1]/",
            "https://[::ffff:7f00:1]/",
            "https://[::ffff:169.254.169.254]/latest/meta-data/",
            "https://localhost/",
            "https://LOCALHOST./",
            "https://a.localhost/",
            "https://metadata.google.internal/",
            "https://printer.local/",
            "https://169.254.169.254/",
            "https://①②⑦.⓪.⓪.①/",
        ] {
            assert_eq!(strict().check(inside), Err(Forbidden::Private), "{inside}");
        }
        assert_eq!(
            strict().check("http://example.com/"),
            Err(Forbidden::Scheme)
        );
        assert_eq!(strict().check("ftp://example.com/"), Err(Forbidden::Scheme));
        assert_eq!(strict().check("file:///etc/passwd"), Err(Forbidden::Scheme));
        assert_eq!(
            strict().check("https://a:b@example.com/"),
            Err(Forbidden::Credentials)
        );
        assert_eq!(strict().check("hooks"), Err(Forbidden::NotAnUrl));
        assert!(
            strict()
                .check("https://hooks.example.com/tabib?x=1")
                .is_ok()
        );
    }

    #[test]
    fn an_allowed_network_is_an_exception_and_no_more() {
        let rules = Rules {
            allow_http: true,
            allowed: vec!["127.0.0.0/8".parse().unwrap()].into(),
        };
        assert!(rules.check("http://127.0.0.1:1/").is_ok());
        assert!(rules.check("http://[::ffff:127.0.0.1]:1/").is_ok());
        assert_eq!(rules.check("http://10.0.0.1/"), Err(Forbidden::Private));
        assert_eq!(rules.check("http://[::1]/"), Err(Forbidden::Private));
    }

    #[tokio::test]
    async fn q_a_name_that_leads_inside_does_not_resolve() {
        use std::str::FromStr;
        let refused = PublicOnly(strict())
            .resolve(Name::from_str("localhost").unwrap())
            .await;
        assert!(refused.is_err_and(|error| error.is::<NotPublic>()));
    }
}
