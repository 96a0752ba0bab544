//! Recovery of an account whose phone and authenticator are lost: an admin makes a one-time code and hands it over in
//! person.
//!
//! What always holds: the code is random, shown once, stored as a hash, good for one use and an hour; an admin makes one
//! only for who belongs to their clinic alone, a superuser for anybody but themselves, both with a fresh proof of
//! themselves; making and using it leave audit rows, and the phone on file is told; using it ends every session and
//! removes the second factor, which is bound anew.

pub mod http;
pub(crate) mod store;

use service_auth::tokens::random_from;
use sha2::{Digest, Sha256};

/// Without letters and digits that look alike: the code is read aloud.
const ALPHABET: &[u8] = b"ABCDEFGHJKMNPQRSTUVWXYZ23456789";
/// Characters of a code: 99 bits.
const CHARS: usize = 20;

/// A new code, in groups of five.
fn new_code() -> String {
    let code = random_from(ALPHABET, CHARS);
    format!(
        "{}-{}-{}-{}",
        &code[..5],
        &code[5..10],
        &code[10..15],
        &code[15..]
    )
}

/// The stored form of a code as typed: case, spaces and dashes do not count.
fn hash(typed: &str) -> Vec<u8> {
    let code: String = common_types::digits::to_ascii(typed)
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .map(|c| c.to_ascii_uppercase())
        .collect();
    Sha256::digest(code.as_bytes()).to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_read_as_it_was_heard() {
        let code = new_code();
        assert_eq!(code.len(), 23);
        assert_eq!(
            hash(&code),
            hash(&format!(" {} ", code.replace('-', " ").to_lowercase()))
        );
        assert_ne!(hash(&code), hash(&new_code()));
    }
}
