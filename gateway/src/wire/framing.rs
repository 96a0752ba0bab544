//! Where a client's HTTP/1 messages begin and end, read more strictly than the parser behind it (Q-G3).
//!
//! The parser repairs what it can: a bare LF ends a line, `chunked` may be followed by a tab, chunks may carry
//! extensions. Another hop may read the same bytes differently, so none of it is repaired here: the first byte that
//! does not stand where RFC 9112 wants it ends the connection.

/// The longest head, in bytes, request line included.
const MAX_HEAD: usize = 64 * 1024;
/// Digits of a chunk's size: up to 4 GiB each.
const MAX_SIZE_DIGITS: u8 = 8;

/// What comes next from the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expected {
    /// A line of a head.
    Head,
    /// So many bytes of a body with `Content-Length`.
    Body(u64),
    /// Part of a chunked body.
    Chunked(Chunk),
    /// A WebSocket's frames: no HTTP any more.
    Frames,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Chunk {
    Size { size: u64, digits: u8 },
    SizeLf(u64),
    Data(u64),
    DataCr,
    DataLf,
    EndCr,
    EndLf,
}

impl Chunk {
    const START: Self = Self::Size { size: 0, digits: 0 };
}

/// What the lines of the head so far said about the body.
#[derive(Debug, Default)]
struct Head {
    bytes: usize,
    /// The request line was read; is it HTTP/1.1?
    version_11: Option<bool>,
    length: Option<u64>,
    chunked: bool,
    websocket: bool,
    /// The beginning of a line whose end has not come yet.
    partial: Vec<u8>,
}

/// Follows one connection.
#[derive(Debug)]
pub struct Framing {
    expected: Expected,
    head: Head,
}

/// The offset of the byte that cannot stand there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Misplaced(pub usize);

impl Default for Framing {
    fn default() -> Self {
        Self {
            expected: Expected::Head,
            head: Head::default(),
        }
    }
}

impl Framing {
    /// Whether a head has begun and is not complete.
    pub fn is_in_head(&self) -> bool {
        self.expected == Expected::Head && self.head.bytes > 0
    }

    /// Whether a body has begun and is not complete.
    pub fn is_in_body(&self) -> bool {
        matches!(self.expected, Expected::Body(_) | Expected::Chunked(_))
    }

    /// Follows the next bytes.
    ///
    /// # Errors
    /// [`Misplaced`], after which the connection must end.
    pub fn follow(&mut self, bytes: &[u8]) -> Result<(), Misplaced> {
        let mut at = 0;
        while at < bytes.len() {
            let rest = &bytes[at..];
            at += match self.expected {
                Expected::Frames => return Ok(()),
                Expected::Body(left) => self.skip(left, rest, Expected::Body, Expected::Head),
                Expected::Chunked(Chunk::Data(left)) => self.skip(
                    left,
                    rest,
                    |left| Expected::Chunked(Chunk::Data(left)),
                    Expected::Chunked(Chunk::DataCr),
                ),
                Expected::Chunked(part) => {
                    self.expected = chunk(part, rest[0]).ok_or(Misplaced(at))?;
                    1
                }
                Expected::Head => self
                    .line(rest)
                    .map_err(|Misplaced(offset)| Misplaced(at + offset))?,
            };
        }
        Ok(())
    }

    fn skip(
        &mut self,
        left: u64,
        rest: &[u8],
        more: impl Fn(u64) -> Expected,
        done: Expected,
    ) -> usize {
        let taken = usize::try_from(left).unwrap_or(usize::MAX).min(rest.len());
        let left = left - taken as u64;
        self.expected = if left == 0 { done } else { more(left) };
        taken
    }

    /// One line of a head, or its beginning. Returns the bytes used.
    fn line(&mut self, rest: &[u8]) -> Result<usize, Misplaced> {
        let end = memchr::memchr(b'\n', rest);
        let used = end.map_or(rest.len(), |end| end + 1);
        self.head.bytes += used;
        if self.head.bytes > MAX_HEAD {
            return Err(Misplaced(0));
        }
        let Some(end) = end else {
            // A bare CR shows as soon as another byte follows it.
            if let Some(cr) = memchr::memchr(b'\r', rest)
                && cr + 1 < rest.len()
            {
                return Err(Misplaced(cr));
            }
            if self.head.partial.last() == Some(&b'\r') {
                return Err(Misplaced(0));
            }
            self.head.partial.extend_from_slice(rest);
            return Ok(used);
        };
        let right = if self.head.partial.is_empty() {
            let line = &rest[..end];
            self.head.take(line)
        } else {
            let mut line = std::mem::take(&mut self.head.partial);
            line.extend_from_slice(&rest[..end]);
            self.head.take(&line)
        };
        match right {
            Some(true) => {
                self.expected = std::mem::take(&mut self.head)
                    .body()
                    .ok_or(Misplaced(end))?;
                Ok(used)
            }
            Some(false) => Ok(used),
            None => Err(Misplaced(end)),
        }
    }
}

impl Head {
    /// A line without its LF; `Some(true)` when it ended the head, `None` when it cannot stand there.
    fn take(&mut self, line: &[u8]) -> Option<bool> {
        let line = line.strip_suffix(b"\r")?;
        if memchr::memchr2(b'\r', 0, line).is_some() {
            return None;
        }
        let Some(version_11) = self.version_11 else {
            if line.is_empty() {
                // RFC 9112 section 2.2: one empty line before a request is let pass.
                return (self.bytes == 2).then_some(false);
            }
            self.version_11 = Some(is_version_11(line)?);
            return Some(false);
        };
        if line.is_empty() {
            return Some(true);
        }
        let colon = memchr::memchr(b':', line)?;
        let (name, value) = (&line[..colon], &line[colon + 1..]);
        if name.is_empty() || name.iter().any(|byte| matches!(byte, b' ' | b'\t')) {
            return None;
        }
        match name.len() {
            7 if name.eq_ignore_ascii_case(b"upgrade") => {
                self.websocket |= value.trim_ascii().eq_ignore_ascii_case(b"websocket");
            }
            14 if name.eq_ignore_ascii_case(b"content-length") => {
                let length = number(spaces(value))?;
                let twice = self.length.replace(length).is_some();
                return (!twice).then_some(false);
            }
            17 if name.eq_ignore_ascii_case(b"transfer-encoding") => {
                let right = spaces(value).eq_ignore_ascii_case(b"chunked");
                if !right || !version_11 || self.chunked {
                    return None;
                }
                self.chunked = true;
            }
            _ => {}
        }
        Some(false)
    }

    /// What follows the head.
    fn body(self) -> Option<Expected> {
        match (self.chunked, self.length, self.websocket) {
            (true, Some(_), _) | (true, None, true) | (false, Some(1..), true) => None,
            (true, None, false) => Some(Expected::Chunked(Chunk::START)),
            (false, _, true) => Some(Expected::Frames),
            (false, None | Some(0), false) => Some(Expected::Head),
            (false, Some(length), false) => Some(Expected::Body(length)),
        }
    }
}

/// `METHOD SP target SP HTTP/1.x`, and nothing that opens a tunnel.
fn is_version_11(line: &[u8]) -> Option<bool> {
    let mut parts = line.split(|byte| *byte == b' ');
    let (method, target, version) = (parts.next()?, parts.next()?, parts.next()?);
    if method.is_empty() || target.is_empty() || parts.next().is_some() || method == b"CONNECT" {
        return None;
    }
    match version {
        b"HTTP/1.1" => Some(true),
        b"HTTP/1.0" => Some(false),
        _ => None,
    }
}

/// The value without the spaces around it; a tab stays and makes it wrong.
fn spaces(mut value: &[u8]) -> &[u8] {
    while let [b' ', rest @ ..] | [rest @ .., b' '] = value {
        value = rest;
    }
    value
}

fn number(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || digits.len() > 19 {
        return None;
    }
    digits.iter().try_fold(0_u64, |sum, byte| {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
        sum.checked_mul(10)?.checked_add(digit)
    })
}

/// One byte between the data of chunks. Extensions and trailers are refused: no client of ours sends any.
fn chunk(part: Chunk, byte: u8) -> Option<Expected> {
    let next = match (part, byte) {
        (Chunk::Size { size, digits }, b'\r') if digits > 0 => Chunk::SizeLf(size),
        (Chunk::Size { size, digits }, digit) if digits < MAX_SIZE_DIGITS => Chunk::Size {
            size: size * 16 + u64::from(char::from(digit).to_digit(16)?),
            digits: digits + 1,
        },
        (Chunk::SizeLf(0), b'\n') => Chunk::EndCr,
        (Chunk::SizeLf(size), b'\n') => Chunk::Data(size),
        (Chunk::DataCr, b'\r') => Chunk::DataLf,
        (Chunk::DataLf, b'\n') => Chunk::START,
        (Chunk::EndCr, b'\r') => Chunk::EndLf,
        (Chunk::EndLf, b'\n') => return Some(Expected::Head),
        _ => return None,
    };
    Some(Expected::Chunked(next))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn outcome(bytes: &[u8]) -> Result<(), Misplaced> {
        Framing::default().follow(bytes)
    }

    const HEAD: &str = "POST /x HTTP/1.1\r\nHost: t\r\n";

    #[test]
    fn q_g3_what_the_standard_writes_passes() {
        for text in [
            "GET / HTTP/1.1\r\nHost: t\r\n\r\nGET / HTTP/1.0\r\n\r\n".to_owned(),
            "\r\nGET / HTTP/1.1\r\nHost: t\r\n\r\n".to_owned(),
            format!("{HEAD}Content-Length: 5\r\n\r\nhelloGET / HTTP/1.1\r\nHost: t\r\n\r\n"),
            format!("{HEAD}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nA\r\n0123456789\r\n0\r\n\r\nGET / HTTP/1.1\r\nHost: t\r\n\r\n"),
            format!("{HEAD}transfer-encoding:Chunked\r\n\r\n0\r\n\r\n"),
            "GET /ws HTTP/1.1\r\nHost: t\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n\x01\n\r\x00".to_owned(),
        ] {
            assert_eq!(outcome(text.as_bytes()), Ok(()), "{text:?}");
        }
    }

    #[test]
    fn q_g3_what_two_readers_could_read_differently_is_misplaced() {
        for text in [
            "GET / HTTP/1.1\nHost: t\n\n".to_owned(),
            "GET / HTTP/1.1\r\nHost: t\nX: y\r\n\r\n".to_owned(),
            "GET / HTTP/1.1\r\nHost: t\r\n\n".to_owned(),
            "GET / HTTP/1.1\r\nHost: t\rX: y\r\n\r\n".to_owned(),
            "GET / HTTP/1.1\r\nHost: t\r\n X: y\r\n\r\n".to_owned(),
            "GET / HTTP/1.1\r\nHost : t\r\n\r\n".to_owned(),
            "GET / HTTP/1.1\r\nno colon\r\n\r\n".to_owned(),
            "GET  / HTTP/1.1\r\nHost: t\r\n\r\n".to_owned(),
            "GET / HTTP/1.1 \r\nHost: t\r\n\r\n".to_owned(),
            "GET / HTTP/2.0\r\nHost: t\r\n\r\n".to_owned(),
            "GET /\r\n\r\n".to_owned(),
            "CONNECT t:80 HTTP/1.1\r\nHost: t\r\n\r\n".to_owned(),
            "\r\n\r\nGET / HTTP/1.1\r\nHost: t\r\n\r\n".to_owned(),
            "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n".to_owned(),
            format!("{HEAD}Transfer-Encoding: chunked\t\r\n\r\n"),
            format!("{HEAD}Transfer-Encoding:\tchunked\r\n\r\n"),
            format!("{HEAD}Transfer-Encoding: identity\r\n\r\n"),
            format!("{HEAD}Transfer-Encoding: chunked, chunked\r\n\r\n"),
            format!("{HEAD}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n"),
            format!("{HEAD}Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n"),
            format!("{HEAD}Content-Length: 5\r\nContent-Length: 5\r\n\r\n"),
            format!("{HEAD}Content-Length: +5\r\n\r\n"),
            format!("{HEAD}Content-Length: 5,5\r\n\r\n"),
            format!("{HEAD}Content-Length: \r\n\r\n"),
            format!("{HEAD}Content-Length: 99999999999999999999\r\n\r\n"),
            format!("{HEAD}Upgrade: websocket\r\nContent-Length: 5\r\n\r\n"),
            format!("{HEAD}Upgrade: websocket\r\nTransfer-Encoding: chunked\r\n\r\n"),
        ] {
            assert!(outcome(text.as_bytes()).is_err(), "{text:?}");
        }
        for body in [
            "5;a=b\r\nhello\r\n0\r\n\r\n",
            "5 \r\nhello\r\n0\r\n\r\n",
            "5\nhello\r\n0\r\n\r\n",
            "\r\nhello",
            "+5\r\nhello",
            "0x5\r\nhello",
            "fffffffff\r\nhello",
            "5\r\nhelloX\r\n",
            "5\r\nhello\n",
            "0\r\nX: y\r\n\r\n",
            "0\r\n\n",
        ] {
            let text = format!("{HEAD}Transfer-Encoding: chunked\r\n\r\n{body}");
            assert!(outcome(text.as_bytes()).is_err(), "{body:?}");
        }
        assert!(outcome(&vec![b'x'; MAX_HEAD + 1]).is_err());
    }

    proptest! {
        /// However the bytes are cut, the verdict and its place are the same.
        #[test]
        fn pieces_do_not_change_the_verdict(
            text in "(GET|POST) /x HTTP/1\\.1\r\n(Host: t\r\n|Content-Length: [0-9]{1,2}\r\n|Transfer-Encoding: chunked\r\n|X:[ \t]y\r?\n){0,4}\r\n([0-9a-f]{1,2}\r\n[a-z]{0,9}\r\n|0\r\n\r\n){0,3}",
            cuts in prop::collection::vec(0_usize..200, 0..6),
        ) {
            let bytes = text.as_bytes();
            let whole = outcome(bytes);
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut % (bytes.len() + 1)).collect();
            cuts.push(bytes.len());
            cuts.sort_unstable();
            let (mut framing, mut from, mut pieces) = (Framing::default(), 0, Ok(()));
            for to in cuts {
                if let Err(Misplaced(at)) = framing.follow(&bytes[from..to]) {
                    pieces = Err(Misplaced(from + at));
                    break;
                }
                from = to;
            }
            prop_assert_eq!(whole.is_ok(), pieces.is_ok());
        }
    }
}
