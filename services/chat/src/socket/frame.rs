//! Puts a client's frames together within bounds, and reads what they say.

use actix_ws::{CloseCode, Item, Message};
use serde::Deserialize;
use serde_json::Value;

use crate::message::Draft;

/// Most fragments of one message: a flood of empty continuations ends here (actix-extras#651).
const MOST_FRAGMENTS: usize = 64;

/// What came in.
#[derive(Debug, PartialEq)]
pub(crate) enum Incoming {
    /// A whole text.
    Text(String),
    /// Asked for an answer.
    Ping(Vec<u8>),
    /// Alive.
    Pong,
    /// A frame that can be answered with an error frame.
    Unusable,
    /// A fragment; nothing to do yet.
    Nothing,
    /// The client is leaving.
    Closed,
}

/// Why a socket must be closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Broken(pub(crate) CloseCode, pub(crate) &'static str);

/// Joins fragments of one socket.
#[derive(Debug)]
pub(crate) struct Assembler {
    max_bytes: usize,
    parts: Option<(Vec<u8>, usize, bool)>,
}

impl Assembler {
    pub(crate) fn new(max_bytes: usize) -> Self {
        Self {
            max_bytes,
            parts: None,
        }
    }

    pub(crate) fn take(&mut self, message: Message) -> Result<Incoming, Broken> {
        match message {
            Message::Text(text) if self.parts.is_none() => Ok(Incoming::Text(text.to_string())),
            Message::Binary(_) if self.parts.is_none() => Ok(Incoming::Unusable),
            Message::Text(_) | Message::Binary(_) => {
                Err(Broken(CloseCode::Protocol, "a new message inside another"))
            }
            Message::Ping(bytes) => Ok(Incoming::Ping(bytes.to_vec())),
            Message::Pong(_) => Ok(Incoming::Pong),
            Message::Close(_) => Ok(Incoming::Closed),
            Message::Nop => Ok(Incoming::Nothing),
            Message::Continuation(item) => self.join(item),
        }
    }

    fn join(&mut self, item: Item) -> Result<Incoming, Broken> {
        let (bytes, is_last) = match item {
            Item::FirstText(bytes) | Item::FirstBinary(bytes) if self.parts.is_some() => {
                drop(bytes);
                return Err(Broken(CloseCode::Protocol, "a new message inside another"));
            }
            Item::FirstText(bytes) => {
                self.parts = Some((Vec::new(), 0, true));
                (bytes, false)
            }
            Item::FirstBinary(bytes) => {
                self.parts = Some((Vec::new(), 0, false));
                (bytes, false)
            }
            Item::Continue(bytes) => (bytes, false),
            Item::Last(bytes) => (bytes, true),
        };
        let Some((buffer, fragments, is_text)) = self.parts.as_mut() else {
            return Err(Broken(CloseCode::Protocol, "a continuation of nothing"));
        };
        *fragments += 1;
        if *fragments > MOST_FRAGMENTS || buffer.len() + bytes.len() > self.max_bytes {
            return Err(Broken(CloseCode::Size, "the message is too large"));
        }
        buffer.extend_from_slice(&bytes);
        if !is_last {
            return Ok(Incoming::Nothing);
        }
        let is_text = *is_text;
        let whole = std::mem::take(buffer);
        self.parts = None;
        match String::from_utf8(whole) {
            Ok(text) if is_text => Ok(Incoming::Text(text)),
            Ok(_) => Ok(Incoming::Unusable),
            Err(_) => Err(Broken(CloseCode::Invalid, "the text is not UTF-8")),
        }
    }
}

/// What a client's text means.
#[derive(Debug)]
pub(crate) enum Said {
    /// A message to store and tell.
    Message(Draft),
    /// A signal of a call, relayed unchanged and never stored (wire.md 4.5).
    Signal(Value),
    /// Not JSON, or not an object.
    Nonsense,
}

#[derive(Deserialize)]
struct ClientFrame {
    #[serde(default)]
    message: Option<String>,
    #[serde(default)]
    message_type: Option<String>,
    #[serde(default)]
    attach_id: Option<i64>,
    #[serde(default)]
    lat: Option<f64>,
    #[serde(default)]
    lng: Option<f64>,
    #[serde(default)]
    client_id: Option<String>,
}

pub(crate) fn understand(text: &str) -> Said {
    let Ok(value @ Value::Object(_)) = serde_json::from_str::<Value>(text) else {
        return Said::Nonsense;
    };
    if value.get("message_type").and_then(Value::as_str) == Some("webrtc_signal") {
        return Said::Signal(value);
    }
    match serde_json::from_value::<ClientFrame>(value) {
        Ok(frame)
            if frame
                .client_id
                .as_deref()
                .is_none_or(|id| id.chars().count() <= 64) =>
        {
            Said::Message(Draft {
                text: frame.message.unwrap_or_default(),
                message_type: frame.message_type,
                attach_id: frame.attach_id,
                lat: frame.lat,
                lng: frame.lng,
                client_id: frame.client_id,
            })
        }
        _ => Said::Nonsense,
    }
}

#[cfg(test)]
mod tests {
    use actix_web::web::Bytes;

    use super::*;

    #[test]
    fn fragments_become_one_text() {
        let mut assembler = Assembler::new(100);
        let first = Message::Continuation(Item::FirstText(Bytes::from_static(b"{\"a\"")));
        assert_eq!(assembler.take(first).unwrap(), Incoming::Nothing);
        assert_eq!(
            assembler.take(Message::Ping(Bytes::new())).unwrap(),
            Incoming::Ping(vec![])
        );
        let last = Message::Continuation(Item::Last(Bytes::from_static(b":1}")));
        assert_eq!(
            assembler.take(last).unwrap(),
            Incoming::Text("{\"a\":1}".into())
        );
        assert_eq!(
            assembler.take(Message::Text("x".into())).unwrap(),
            Incoming::Text("x".into())
        );
    }

    #[test]
    fn q_c2_a_flood_of_empty_continuations_ends() {
        let mut assembler = Assembler::new(1_000_000);
        assembler
            .take(Message::Continuation(Item::FirstText(Bytes::new())))
            .unwrap();
        let ended = (0..10_000)
            .map(|_| assembler.take(Message::Continuation(Item::Continue(Bytes::new()))))
            .position(|outcome| outcome.is_err());
        assert_eq!(ended, Some(MOST_FRAGMENTS - 1));
    }

    #[test]
    fn q_c2_a_message_has_a_largest_size() {
        let mut assembler = Assembler::new(10);
        assembler
            .take(Message::Continuation(Item::FirstText(Bytes::from_static(
                b"12345678",
            ))))
            .unwrap();
        let broken = assembler
            .take(Message::Continuation(Item::Last(Bytes::from_static(
                b"90ab",
            ))))
            .unwrap_err();
        assert_eq!(broken.0, CloseCode::Size);
    }

    #[test]
    fn what_a_client_says() {
        assert!(matches!(understand("{}"), Said::Message(draft) if draft.text.is_empty()));
        assert!(
            matches!(understand("{\"message\":\"سلام\"}"), Said::Message(draft) if draft.text == "سلام")
        );
        assert!(matches!(
            understand("{\"message_type\":\"webrtc_signal\",\"sdp\":1}"),
            Said::Signal(_)
        ));
        for bad in ["", "x", "[]", "{\"message\":7}", "{\"attach_id\":\"x\"}"] {
            assert!(matches!(understand(bad), Said::Nonsense), "{bad}");
        }
    }
}
