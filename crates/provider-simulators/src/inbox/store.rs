//! Messages in memory, newest last, mirrored in the journal.

use std::{collections::VecDeque, path::Path};

use chrono::{DateTime, Utc};
use common_types::PhoneNumber;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::CAPACITY;
use crate::journal::Journal;

/// What `POST /dev/inbox/messages/` takes.
#[derive(Debug, Clone, Deserialize)]
pub struct NewMessage {
    /// `sms`, `email` or `voice`.
    pub channel: String,
    /// Phone in any spelling, or an e-mail address.
    pub to: String,
    /// Subject of an e-mail.
    #[serde(default)]
    pub subject: Option<String>,
    /// The text as the recipient would read it.
    pub text: String,
    /// HTML part of an e-mail.
    #[serde(default)]
    pub html: Option<String>,
    /// The sender's own id: a second message with it is the first one again.
    #[serde(default)]
    pub reference: Option<String>,
}

/// A message that arrived.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InboxMessage {
    /// UUIDv7.
    pub id: Uuid,
    /// `sms`, `email` or `voice`.
    pub channel: String,
    /// E.164 phone or the address as given.
    pub to: String,
    /// The text.
    pub text: String,
    /// Subject of an e-mail.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// HTML part of an e-mail.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub html: Option<String>,
    /// The sender's own id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// Arrival, UTC.
    pub created_at: DateTime<Utc>,
}

struct Inner {
    messages: VecDeque<InboxMessage>,
    journal: Journal,
}

/// The inbox; all methods are atomic.
pub struct Inbox {
    inner: Mutex<Inner>,
}

/// Brings any spelling of a phone to E.164; other recipients are compared without case.
pub(crate) fn normalise(to: &str) -> String {
    let restored = to.trim();
    // `?to=+98…` arrives with a space where the plus was when the client did not escape it.
    if let Ok(phone) = PhoneNumber::parse(restored) {
        return phone.e164().to_owned();
    }
    restored.to_lowercase()
}

impl Inbox {
    pub(crate) fn open(folder: Option<&Path>) -> anyhow::Result<Self> {
        let (journal, records) = Journal::open::<InboxMessage>(folder, "inbox")?;
        let messages = records.into_iter().map(|(_, message)| message).collect();
        Ok(Self {
            inner: Mutex::new(Inner { messages, journal }),
        })
    }

    /// Stores a message, or returns the earlier one with the same reference.
    ///
    /// # Errors
    /// When the journal cannot be written.
    pub fn add(&self, new: NewMessage) -> anyhow::Result<InboxMessage> {
        let mut inner = self.inner.lock();
        if let Some(known) = new.reference.as_deref().and_then(|reference| {
            inner
                .messages
                .iter()
                .rev()
                .find(|m| m.reference.as_deref() == Some(reference))
        }) {
            return Ok(known.clone());
        }
        let message = InboxMessage {
            id: Uuid::now_v7(),
            channel: new.channel,
            to: normalise(&new.to),
            text: new.text,
            subject: new.subject,
            html: new.html,
            reference: new.reference,
            created_at: Utc::now(),
        };
        inner.journal.put(&message.id.to_string(), &message)?;
        inner.messages.push_back(message.clone());
        while inner.messages.len() > CAPACITY {
            if let Some(oldest) = inner.messages.pop_front() {
                inner.journal.remove(&oldest.id.to_string())?;
            }
        }
        Ok(message)
    }

    /// Newest first, filtered by recipient (any spelling) and channel: total count and one page of `page_size`.
    pub fn list(
        &self,
        to: Option<&str>,
        channel: Option<&str>,
        page: usize,
        page_size: usize,
    ) -> (usize, Vec<InboxMessage>) {
        let to = to.filter(|to| !to.trim().is_empty()).map(normalise);
        let inner = self.inner.lock();
        let matching = inner.messages.iter().rev().filter(|message| {
            to.as_deref().is_none_or(|to| message.to == to)
                && channel.is_none_or(|channel| channel.is_empty() || message.channel == channel)
        });
        let all: Vec<&InboxMessage> = matching.collect();
        let start = page.saturating_sub(1).saturating_mul(page_size);
        (
            all.len(),
            all.into_iter()
                .skip(start)
                .take(page_size)
                .cloned()
                .collect(),
        )
    }

    /// One message.
    pub fn find(&self, id: Uuid) -> Option<InboxMessage> {
        self.inner
            .lock()
            .messages
            .iter()
            .find(|message| message.id == id)
            .cloned()
    }

    /// Empties the inbox.
    ///
    /// # Errors
    /// When the journal cannot be written.
    pub fn clear(&self) -> anyhow::Result<()> {
        let mut inner = self.inner.lock();
        while let Some(message) = inner.messages.pop_front() {
            inner.journal.remove(&message.id.to_string())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sms(to: &str, text: &str) -> NewMessage {
        NewMessage {
            channel: "sms".into(),
            to: to.into(),
            subject: None,
            text: text.into(),
            html: None,
            reference: None,
        }
    }

    #[test]
    fn memory_is_bounded_and_the_oldest_leave_first() {
        let inbox = Inbox::open(None).unwrap();
        for number in 0..CAPACITY + 5 {
            inbox.add(sms("09120000010", &number.to_string())).unwrap();
        }
        let (count, page) = inbox.list(None, None, 1, 1);
        assert_eq!(count, CAPACITY);
        assert_eq!(page[0].text, (CAPACITY + 4).to_string());
        let (_, last) = inbox.list(None, None, CAPACITY, 1);
        assert_eq!(last[0].text, "5");
    }

    #[test]
    fn the_same_reference_is_one_message() {
        let inbox = Inbox::open(None).unwrap();
        let first = inbox
            .add(NewMessage {
                reference: Some("r1".into()),
                ..sms("09120000010", "a")
            })
            .unwrap();
        let again = inbox
            .add(NewMessage {
                reference: Some("r1".into()),
                ..sms("09120000010", "a")
            })
            .unwrap();
        assert_eq!(first, again);
        assert_eq!(inbox.list(None, None, 1, 10).0, 1);
    }

    #[test]
    fn messages_survive_a_new_process() {
        let folder = tempfile::tempdir().unwrap();
        let first = Inbox::open(Some(folder.path()))
            .unwrap()
            .add(sms("0912 000 0010", "سلام"))
            .unwrap();
        let reopened = Inbox::open(Some(folder.path())).unwrap();
        assert_eq!(
            reopened.list(Some("+98 912 000 0010"), None, 1, 10).1,
            vec![first]
        );
    }
}
