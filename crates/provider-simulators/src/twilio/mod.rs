//! Twilio's Messages resource (API 2010-04-01, providers.md 8.6): Basic authentication, form bodies, status callbacks signed
//! with HMAC-SHA1 over the address and the sorted fields.

pub(crate) mod http;

use base64::{Engine, prelude::BASE64_STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;

pub use crate::vendor::Faults;

/// `X-Twilio-Signature` of a form that is posted to `url`.
pub fn sign(token: &str, url: &str, fields: &[(&str, &str)]) -> Option<String> {
    let mut sorted = fields.to_vec();
    sorted.sort_unstable();
    let mut mac = Hmac::<Sha1>::new_from_slice(token.as_bytes()).ok()?;
    mac.update(url.as_bytes());
    for (name, value) in sorted {
        mac.update(name.as_bytes());
        mac.update(value.as_bytes());
    }
    Some(BASE64_STANDARD.encode(mac.finalize().into_bytes()))
}

#[cfg(test)]
mod tests {
    use super::sign;

    /// The vector of providers.md 8.6, made with the vendor's own package.
    #[test]
    fn the_signature_is_the_vendors() {
        let fields = [
            ("To", "+221771234567"),
            ("MessageStatus", "delivered"),
            ("MessageSid", "SM1"),
        ];
        assert_eq!(
            sign("12345", "https://example.com/twilio/status", &fields).unwrap(),
            "XXxnaLlufF1eXkrWlTAIPjL3H0o="
        );
    }
}
