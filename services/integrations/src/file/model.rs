//! Names of files and tickets: pure.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use service_auth::tokens::{ct_eq, hmac_sha256};
use uuid::Uuid;

/// How long a ticket works, in seconds.
pub(crate) const TICKET_SECONDS: i64 = 300;

/// The name that a client gave, without folders and characters that trick readers; of its type when none is left.
pub(crate) fn clean_name(given: Option<&str>, extension: &str) -> String {
    let last = given
        .unwrap_or_default()
        .rsplit(['/', '\\'])
        .next()
        .unwrap_or_default();
    let tricky = |c: char| c.is_control() || "\"<>|:*?\u{202a}\u{202b}\u{202d}\u{202e}".contains(c);
    let kept: String = last.chars().filter(|c| !tricky(*c)).take(100).collect();
    match kept.trim().trim_start_matches('.') {
        "" => format!("file.{extension}"),
        name => name.to_owned(),
    }
}

/// What a ticket says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ticket {
    pub(crate) file: Uuid,
    /// By which its use is noted.
    pub(crate) nonce: Uuid,
    /// Seconds since the epoch.
    pub(crate) expires_at: i64,
}

impl Ticket {
    fn bytes(self) -> Vec<u8> {
        [
            self.file.as_bytes().as_slice(),
            self.nonce.as_bytes(),
            &self.expires_at.to_be_bytes(),
        ]
        .concat()
    }

    /// The ticket as it stands in an address.
    pub(crate) fn sign(self, key: &[u8]) -> String {
        let mut bytes = self.bytes();
        let mac = hmac_sha256(key, &[b"integrations.file_ticket", &bytes]);
        bytes.extend_from_slice(&mac);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Reads a ticket; `None` when it is not ours or its time is over.
    pub(crate) fn open(text: &str, key: &[u8], now: i64) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (said, mac) = bytes.split_at_checked(40)?;
        let expected = hmac_sha256(key, &[b"integrations.file_ticket", said]);
        if !ct_eq(&expected, mac) {
            return None;
        }
        let ticket = Self {
            file: Uuid::from_slice(said.get(..16)?).ok()?,
            nonce: Uuid::from_slice(said.get(16..32)?).ok()?,
            expires_at: i64::from_be_bytes(said.get(32..)?.try_into().ok()?),
        };
        (now < ticket.expires_at).then_some(ticket)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ticket_is_good_for_its_time_and_key_and_not_a_bit_else() {
        let ticket = Ticket {
            file: Uuid::now_v7(),
            nonce: Uuid::now_v7(),
            expires_at: 1_000,
        };
        let text = ticket.sign(b"key");
        assert_eq!(Ticket::open(&text, b"key", 999), Some(ticket));
        assert_eq!(Ticket::open(&text, b"key", 1_000), None);
        assert_eq!(Ticket::open(&text, b"other", 999), None);
        let bytes = URL_SAFE_NO_PAD.decode(&text).unwrap();
        for bit in 0..bytes.len() * 8 {
            let mut changed = bytes.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(
                Ticket::open(&URL_SAFE_NO_PAD.encode(changed), b"key", 0),
                None,
                "bit {bit}"
            );
        }
        for other in ["", "AAAA", "not base64!"] {
            assert_eq!(Ticket::open(other, b"key", 0), None);
        }
    }

    #[test]
    fn names_lose_what_tricks_their_readers() {
        assert_eq!(clean_name(Some("../../etc/passwd"), "pdf"), "passwd");
        assert_eq!(clean_name(Some("C:\\x\\گزارش.pdf"), "pdf"), "گزارش.pdf");
        assert_eq!(clean_name(Some("a\u{202e}fdp.exe\n"), "pdf"), "afdp.exe");
        assert_eq!(clean_name(Some("..."), "pdf"), "file.pdf");
        assert_eq!(clean_name(None, "png"), "file.png");
    }
}
