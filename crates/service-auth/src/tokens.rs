//! Random strings, keyed hashes and comparison in constant time.

use hmac::{Hmac, KeyInit, Mac};
use rand::RngExt;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

const ALPHANUMERIC: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/// `n` characters of A–Z, a–z, 0–9 from the system's cryptographic generator, without bias.
#[must_use]
pub fn random_alphanumeric(n: usize) -> String {
    random_from(ALPHANUMERIC, n)
}

/// `n` decimal digits, leading zeros included, without bias.
#[must_use]
pub fn random_digits(n: usize) -> String {
    random_from(b"0123456789", n)
}

/// `n` characters drawn evenly from an ASCII alphabet.
#[must_use]
pub fn random_from(alphabet: &[u8], n: usize) -> String {
    let mut rng = rand::rng();
    (0..n)
        .map(|_| char::from(alphabet[rng.random_range(0..alphabet.len())]))
        .collect()
}

/// `N` random bytes.
#[must_use]
pub fn random_bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0_u8; N];
    rand::rng().fill(&mut bytes[..]);
    bytes
}

/// Equality in constant time for equal lengths; lengths are not secret.
#[must_use]
pub fn ct_eq(a: &[u8], b: &[u8]) -> bool {
    a.ct_eq(b).into()
}

/// HMAC-SHA-256 over several parts, each preceded by its length so that no two lists of parts collide.
#[must_use]
pub fn hmac_sha256(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
    for part in parts {
        mac.update(&(part.len() as u64).to_be_bytes());
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

/// HMAC-SHA-256 of one message, as other systems define it (webhook signatures).
#[must_use]
pub fn hmac_sha256_plain(key: &[u8], message: &[u8]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
    mac.update(message);
    mac.finalize().into_bytes().into()
}

/// SHA-256 as lower-case hex: for random tokens of at least 128 bits, which need no slow hash.
#[must_use]
pub fn sha256_hex(data: &[u8]) -> String {
    hex::encode(Sha256::digest(data))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn lengths_alphabets_and_variety() {
        let many: HashSet<String> = (0..1000).map(|_| random_alphanumeric(64)).collect();
        assert_eq!(many.len(), 1000);
        assert!(
            many.iter()
                .all(|s| s.len() == 64 && s.bytes().all(|b| b.is_ascii_alphanumeric()))
        );
        assert!(random_digits(6).bytes().all(|b| b.is_ascii_digit()));
        let drawn: HashSet<char> = random_alphanumeric(20_000).chars().collect();
        assert_eq!(drawn.len(), 62);
    }

    #[test]
    fn parts_do_not_run_together() {
        assert_ne!(
            hmac_sha256(b"k", &[b"ab", b"c"]),
            hmac_sha256(b"k", &[b"a", b"bc"])
        );
        assert_ne!(hmac_sha256(b"k", &[b"ab"]), hmac_sha256(b"l", &[b"ab"]));
        assert!(ct_eq(b"same", b"same") && !ct_eq(b"same", b"sane") && !ct_eq(b"a", b"ab"));
    }
}
