//! A service's answer as bytes: its head, and where its body ends.
//!
//! Read strictly: what could be read in two ways (two lengths, a length beside chunks, another coding than `chunked`)
//! is no answer, so that no byte of one call's answer can become part of the next one's.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderName, HeaderValue};
use bytes::{Buf, Bytes, BytesMut};
use thiserror::Error;

use crate::headers::may_leave;

/// The longest head of an answer, in bytes.
pub const MAX_HEAD: usize = 16 * 1024;
/// The most headers of an answer.
const MAX_HEADERS: usize = 128;
/// The longest line between chunks, in bytes, extensions included; the most of trailers.
const MAX_LINE: usize = 4 * 1024;
/// Pieces up to this size are copied, so that the connection's buffer can be used again at once.
const SMALL_PIECE: usize = 8 * 1024;

/// What came cannot be an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the service's answer cannot be read")]
pub struct Malformed;

/// What the beginning of an answer says.
#[derive(Debug)]
pub enum Parsed {
    /// More bytes are needed.
    Partial,
    /// A head that another one follows (1xx), so many bytes long.
    Interim(usize),
    /// The head, so many bytes long.
    Head(usize, Head),
}

/// The head of an answer.
#[derive(Debug)]
pub struct Head {
    /// Status and the headers that may leave, without a body.
    pub response: HttpResponse,
    /// Where the body ends.
    pub length: Length,
    /// `Content-Length` as it stood there, also where no body follows.
    pub announced: Option<u64>,
    /// Whether the connection may carry another call.
    pub keeps: bool,
}

/// Where a body ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Length {
    /// So many bytes are still to come.
    Bytes(u64),
    /// At the last chunk.
    Chunked(Chunk),
    /// With the connection.
    Close,
}

/// What comes next in a chunked body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Chunk {
    /// The line with a chunk's size.
    Size,
    /// So many bytes of data.
    Data(u64),
    /// The line end behind data.
    DataEnd,
    /// Lines until an empty one; so many bytes of them so far.
    Trailers(usize),
}

/// What a buffer holds of a body.
#[derive(Debug, PartialEq, Eq)]
pub enum Piece {
    /// Some of it.
    Bytes(Bytes),
    /// Nothing yet.
    More,
    /// Its end.
    End,
}

/// Reads the head of an answer; `head_only` when the call was a HEAD.
///
/// # Errors
/// [`Malformed`].
pub fn parse(bytes: &[u8], head_only: bool) -> Result<Parsed, Malformed> {
    let mut room = [const { std::mem::MaybeUninit::uninit() }; MAX_HEADERS];
    let mut answer = httparse::Response::new(&mut []);
    let parsed = httparse::ParserConfig::default().parse_response_with_uninit_headers(
        &mut answer,
        bytes,
        &mut room,
    );
    let used = match parsed {
        Ok(httparse::Status::Complete(used)) => used,
        Ok(httparse::Status::Partial) if bytes.len() < MAX_HEAD => return Ok(Parsed::Partial),
        _ => return Err(Malformed),
    };
    let code = answer.code.ok_or(Malformed)?;
    if (100..200).contains(&code) && code != 101 {
        return Ok(Parsed::Interim(used));
    }
    let status = StatusCode::from_u16(code).map_err(|_| Malformed)?;
    let mut response = HttpResponse::new(status);
    let headers = response.headers_mut();
    let (mut announced, mut chunked) = (None, false);
    let mut keeps = answer.version == Some(1);
    for header in answer.headers {
        let name = HeaderName::from_bytes(header.name.as_bytes()).map_err(|_| Malformed)?;
        match name.as_str() {
            "content-length" => {
                let length = number(header.value)?;
                if announced.replace(length).is_some() {
                    return Err(Malformed);
                }
            }
            "transfer-encoding" => {
                if chunked || !header.value.eq_ignore_ascii_case(b"chunked") {
                    return Err(Malformed);
                }
                chunked = true;
            }
            "connection" => {
                let closes = header
                    .value
                    .split(|byte| *byte == b',')
                    .any(|token| token.trim_ascii().eq_ignore_ascii_case(b"close"));
                keeps &= !closes;
            }
            name_text if may_leave(name_text) => {
                let value = HeaderValue::from_bytes(header.value).map_err(|_| Malformed)?;
                headers.append(name, value);
            }
            _ => {}
        }
    }
    let length = if head_only || matches!(code, 101 | 204 | 304) {
        Length::Bytes(0)
    } else {
        match (chunked, announced) {
            (true, Some(_)) => return Err(Malformed),
            (true, None) => Length::Chunked(Chunk::Size),
            (false, Some(length)) => Length::Bytes(length),
            (false, None) => Length::Close,
        }
    };
    keeps &= length != Length::Close;
    Ok(Parsed::Head(
        used,
        Head {
            response,
            length,
            announced,
            keeps,
        },
    ))
}

fn number(digits: &[u8]) -> Result<u64, Malformed> {
    if !digits.iter().all(u8::is_ascii_digit) {
        return Err(Malformed);
    }
    std::str::from_utf8(digits)
        .ok()
        .and_then(|text| text.parse().ok())
        .ok_or(Malformed)
}

impl Length {
    /// Whether everything was taken.
    pub fn is_over(&self) -> bool {
        *self == Self::Bytes(0)
    }

    /// Takes what there is of the body.
    ///
    /// # Errors
    /// [`Malformed`] between chunks.
    pub fn take(&mut self, held: &mut BytesMut) -> Result<Piece, Malformed> {
        loop {
            match self {
                Self::Bytes(0) => return Ok(Piece::End),
                _ if held.is_empty() => return Ok(Piece::More),
                Self::Bytes(left) => return Ok(Piece::Bytes(cut(held, left))),
                Self::Close => {
                    let mut all = u64::MAX;
                    return Ok(Piece::Bytes(cut(held, &mut all)));
                }
                Self::Chunked(chunk) => match chunk {
                    Chunk::Data(0) => *chunk = Chunk::DataEnd,
                    Chunk::Data(left) => return Ok(Piece::Bytes(cut(held, left))),
                    Chunk::DataEnd => {
                        if held.len() < 2 {
                            return Ok(Piece::More);
                        }
                        if &held[..2] != b"\r\n" {
                            return Err(Malformed);
                        }
                        held.advance(2);
                        *chunk = Chunk::Size;
                    }
                    Chunk::Size | Chunk::Trailers(_) => {
                        let Some(end) = memchr::memchr(b'\n', held) else {
                            return if held.len() > MAX_LINE {
                                Err(Malformed)
                            } else {
                                Ok(Piece::More)
                            };
                        };
                        let line = held.split_to(end + 1);
                        match line_after(*chunk, &line)? {
                            Some(next) => *chunk = next,
                            None => *self = Self::Bytes(0),
                        }
                    }
                },
            }
        }
    }
}

/// What a line between chunks leads to; `None` at the end of the body.
fn line_after(chunk: Chunk, line: &[u8]) -> Result<Option<Chunk>, Malformed> {
    let line = line.strip_suffix(b"\r\n").ok_or(Malformed)?;
    if let Chunk::Trailers(bytes) = chunk {
        let bytes = bytes + line.len();
        return match (line.is_empty(), bytes > MAX_LINE) {
            (true, _) => Ok(None),
            (false, true) => Err(Malformed),
            (false, false) => Ok(Some(Chunk::Trailers(bytes))),
        };
    }
    let digits = memchr::memchr(b';', line).map_or(line, |extension| &line[..extension]);
    let digits = digits.trim_ascii_end();
    if digits.is_empty() || digits.len() > 15 || !digits.iter().all(u8::is_ascii_hexdigit) {
        return Err(Malformed);
    }
    let size = std::str::from_utf8(digits)
        .ok()
        .and_then(|text| u64::from_str_radix(text, 16).ok())
        .ok_or(Malformed)?;
    Ok(Some(match size {
        0 => Chunk::Trailers(0),
        size => Chunk::Data(size),
    }))
}

/// At most `left` bytes from the front.
fn cut(held: &mut BytesMut, left: &mut u64) -> Bytes {
    let count = usize::try_from(*left).unwrap_or(usize::MAX).min(held.len());
    *left -= count as u64;
    if count > SMALL_PIECE {
        return held.split_to(count).freeze();
    }
    let piece = Bytes::copy_from_slice(&held[..count]);
    if count == held.len() {
        held.clear();
    } else {
        held.advance(count);
    }
    piece
}

#[cfg(test)]
mod tests;
