//! Server-sent events (WHATWG HTML, 9.2), as far as the vendors use them: `event` and `data` lines.

use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt, stream};

use super::TextError;

/// Largest event that is read.
const EVENT_BYTES: usize = 1024 * 1024;

/// One event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Event {
    /// Its name; empty when none was given.
    pub(super) name: String,
    /// Its data lines.
    pub(super) data: String,
}

/// Takes bytes as they come and gives events.
#[derive(Default)]
struct Parser {
    buffer: BytesMut,
    current: Event,
}

impl Parser {
    fn push(&mut self, bytes: &[u8]) -> Result<(), TextError> {
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() > EVENT_BYTES {
            return Err(TextError::Unreadable);
        }
        Ok(())
    }

    /// The next whole event, when there is one.
    fn next(&mut self) -> Result<Option<Event>, TextError> {
        while let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') {
            let line = self.buffer.split_to(end + 1);
            let line = std::str::from_utf8(&line).map_err(|_| TextError::Unreadable)?;
            let line = line.trim_end_matches(['\n', '\r']);
            if line.is_empty() {
                let event = std::mem::take(&mut self.current);
                if !event.data.is_empty() {
                    return Ok(Some(event));
                }
                continue;
            }
            let (field, value) = line.split_once(':').unwrap_or((line, ""));
            let value = value.strip_prefix(' ').unwrap_or(value);
            match field {
                "data" => {
                    if !self.current.data.is_empty() {
                        self.current.data.push('\n');
                    }
                    self.current.data.push_str(value);
                    if self.current.data.len() > EVENT_BYTES {
                        return Err(TextError::Unreadable);
                    }
                }
                "event" => value.clone_into(&mut self.current.name),
                // Comments, ids and retry times say nothing here.
                _ => {}
            }
        }
        Ok(None)
    }
}

/// The events of a body. An event without its final empty line is none: it was cut off.
pub(super) fn events<S>(body: S) -> impl Stream<Item = Result<Event, TextError>> + Send + 'static
where
    S: Stream<Item = reqwest::Result<Bytes>> + Send + Unpin + 'static,
{
    stream::try_unfold((body, Parser::default()), |(mut body, mut parser)| async {
        loop {
            if let Some(event) = parser.next()? {
                return Ok(Some((event, (body, parser))));
            }
            match body.next().await {
                None => return Ok(None),
                Some(Ok(bytes)) => parser.push(&bytes)?,
                Some(Err(error)) if error.is_timeout() => {
                    return Err(TextError::Network("timeout"));
                }
                Some(Err(_)) => return Err(TextError::Interrupted),
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(chunks: &[&[u8]]) -> Vec<Result<Event, TextError>> {
        let owned: Vec<reqwest::Result<Bytes>> = chunks
            .iter()
            .map(|chunk| Ok(Bytes::copy_from_slice(chunk)))
            .collect();
        events(stream::iter(owned)).collect().await
    }

    #[tokio::test]
    async fn events_are_read_wherever_the_bytes_are_cut() {
        let whole = "event: a\r\ndata: {\"x\":\"سلام\"}\r\n\r\n: ping\n\ndata:1\ndata: 2\n\n";
        let bytes = whole.as_bytes();
        for cut in 0..bytes.len() {
            let read = read(&[&bytes[..cut], &bytes[cut..]]).await;
            let read: Vec<Event> = read.into_iter().map(Result::unwrap).collect();
            assert_eq!(read.len(), 2, "cut at {cut}");
            assert_eq!(
                (read[0].name.as_str(), read[0].data.as_str()),
                ("a", "{\"x\":\"سلام\"}")
            );
            assert_eq!(read[1].data, "1\n2");
        }
    }

    #[tokio::test]
    async fn an_unfinished_event_and_an_endless_line_are_no_events() {
        assert!(read(&[b"data: {\"half\":"]).await.is_empty());
        let endless = vec![b'x'; EVENT_BYTES + 1];
        assert_eq!(read(&[&endless]).await, [Err(TextError::Unreadable)]);
    }
}
