//! Tickets by which a staff member's browser opens a report in a new tab, without a header (decision 27): bound to the
//! staff session, ten minutes, checked again at the door.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, Utc};
use service_auth::tokens::{ct_eq, hmac_sha256};
use uuid::Uuid;

const SECONDS: i64 = 600;
const LENGTH: usize = 16 * 4 + 16 + 32;

/// Who opens what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ticket {
    pub(crate) report: Uuid,
    pub(crate) organization: Uuid,
    pub(crate) user: Uuid,
    pub(crate) session: Uuid,
    pub(crate) issued: i64,
    expires: i64,
}

fn mac(secret: &[u8], body: &[u8]) -> [u8; 32] {
    hmac_sha256(secret, &[b"portal.report_ticket", body])
}

impl Ticket {
    pub(crate) fn new(
        report: Uuid,
        organization: Uuid,
        user: Uuid,
        session: Uuid,
        now: DateTime<Utc>,
    ) -> Self {
        let issued = now.timestamp();
        Self {
            report,
            organization,
            user,
            session,
            issued,
            expires: issued + SECONDS,
        }
    }

    fn body(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(LENGTH);
        for id in [self.report, self.organization, self.user, self.session] {
            bytes.extend_from_slice(id.as_bytes());
        }
        bytes.extend_from_slice(&self.issued.to_be_bytes());
        bytes.extend_from_slice(&self.expires.to_be_bytes());
        bytes
    }

    /// The text in the address.
    pub(crate) fn write(&self, secret: &[u8]) -> String {
        let mut bytes = self.body();
        let mac = mac(secret, &bytes);
        bytes.extend_from_slice(&mac);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// The ticket of a text, when it is ours and not over.
    pub(crate) fn read(text: &str, secret: &[u8], now: DateTime<Utc>) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD
            .decode(text)
            .ok()
            .filter(|bytes| bytes.len() == LENGTH)?;
        let (body, sent) = bytes.split_at(LENGTH - 32);
        if !ct_eq(&mac(secret, body), sent) {
            return None;
        }
        let id = |index: usize| Uuid::from_slice(body.get(index * 16..(index + 1) * 16)?).ok();
        let time = |from: usize| {
            Some(i64::from_be_bytes(
                body.get(from..from + 8)?.try_into().ok()?,
            ))
        };
        let ticket = Self {
            report: id(0)?,
            organization: id(1)?,
            user: id(2)?,
            session: id(3)?,
            issued: time(64)?,
            expires: time(72)?,
        };
        (ticket.expires > now.timestamp()).then_some(ticket)
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    #[test]
    fn a_ticket_opens_for_ten_minutes_and_only_unchanged() {
        let now = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        let ticket = Ticket::new(
            Uuid::now_v7(),
            Uuid::now_v7(),
            Uuid::now_v7(),
            Uuid::now_v7(),
            now,
        );
        let text = ticket.write(b"secret");
        assert_eq!(Ticket::read(&text, b"secret", now), Some(ticket));
        assert_eq!(Ticket::read(&text, b"other", now), None);
        assert_eq!(
            Ticket::read(&text, b"secret", now + TimeDelta::seconds(600)),
            None
        );
        let mut bytes = URL_SAFE_NO_PAD.decode(&text).unwrap();
        for index in 0..bytes.len() {
            bytes[index] ^= 1;
            assert_eq!(
                Ticket::read(&URL_SAFE_NO_PAD.encode(&bytes), b"secret", now),
                None,
                "byte {index}"
            );
            bytes[index] ^= 1;
        }
        assert_eq!(Ticket::read("x", b"secret", now), None);
    }
}
