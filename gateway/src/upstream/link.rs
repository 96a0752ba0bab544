//! One HTTP/1.1 connection to a service, driven by the call that uses it: no task, no channel, one buffer each way.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::AsyncWrite;
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep_until};
use tokio_util::io::poll_read_buf;

use super::answer::{Head, Length, Malformed, Parsed, Piece, parse};
use super::body::{GuardedBody, RequestBody};

/// Room for a head.
const HEAD_ROOM: usize = 4 * 1024;
/// Room for a piece of a body.
const BODY_ROOM: usize = 16 * 1024;

/// Why no answer came on a connection.
#[derive(Debug)]
pub enum CallError {
    /// Nothing of the call was written: it may be made on another connection. Holds its body.
    Unsent(RequestBody),
    /// The connection broke, or what came is no answer.
    Broken,
    /// The time was over.
    Timeout,
}

/// A connection that carries one call at a time.
pub struct Link {
    stream: TcpStream,
    /// Read, not taken yet.
    held: BytesMut,
    /// To be written.
    out: BytesMut,
    /// To be written behind `out`, as it came from the client.
    piece: Bytes,
    /// What is still to come of the call's body.
    upload: Option<Upload>,
    /// Writing has failed: what was read may still be an answer, but no other call can follow.
    broken: bool,
    /// The deadline of whatever is waited for. Moved, never made anew: a later deadline costs one atomic write.
    timer: Pin<Box<Sleep>>,
}

struct Upload {
    body: GuardedBody,
    chunked: bool,
    /// Whether `piece` needs a line end behind it.
    in_chunk: bool,
}

impl Link {
    /// A connection that stands.
    pub fn new(stream: TcpStream) -> Self {
        Self {
            stream,
            held: BytesMut::new(),
            out: BytesMut::new(),
            piece: Bytes::new(),
            upload: None,
            broken: false,
            timer: Box::pin(sleep_until(Instant::now())),
        }
    }

    /// Whether an unused connection still stands and is silent. Costs no system call while nothing has come.
    pub fn still_stands(&self) -> bool {
        let mut context = Context::from_waker(std::task::Waker::noop());
        match self.stream.poll_read_ready(&mut context) {
            Poll::Pending => true,
            Poll::Ready(Err(_)) => false,
            // Bytes nobody asked for, or the end.
            Poll::Ready(Ok(())) => {
                let read = self.stream.try_read(&mut [0]);
                matches!(read, Err(error) if error.kind() == io::ErrorKind::WouldBlock)
            }
        }
    }

    /// Whether it can carry another call: everything written, everything read was taken.
    pub fn is_clean(&self) -> bool {
        self.is_sent() && !self.broken && self.held.is_empty()
    }

    fn is_sent(&self) -> bool {
        self.upload.is_none() && self.out.is_empty() && self.piece.is_empty()
    }

    /// Where the head of the next call is written.
    pub fn out(&mut self) -> &mut BytesMut {
        self.out.clear();
        self.out.reserve(1024);
        &mut self.out
    }

    /// Sends the head that stands in [`Link::out`] with this body, and waits for the head of the answer; `head_only`
    /// when the call is a HEAD. What is not sent yet of the body then goes on with [`Link::poll_body`].
    ///
    /// # Errors
    /// See [`CallError`]; the connection cannot be used any more.
    pub async fn call(
        &mut self,
        body: RequestBody,
        head_only: bool,
        deadline: Instant,
    ) -> Result<Head, CallError> {
        let again = match body {
            RequestBody::Empty => RequestBody::Empty,
            RequestBody::Whole(bytes) => {
                self.out.extend_from_slice(&bytes);
                RequestBody::Whole(bytes)
            }
            RequestBody::Client(body) => {
                self.upload = Some(Upload {
                    chunked: body.length().is_none(),
                    in_chunk: false,
                    body,
                });
                RequestBody::Empty
            }
        };
        // The head goes first and alone, so that a connection which turns out to be closed has cost nothing.
        if let Err(error) = self.first_write(deadline).await {
            return Err(match (error, self.upload.take()) {
                (CallError::Broken, Some(upload)) => {
                    CallError::Unsent(RequestBody::Client(upload.body))
                }
                (CallError::Broken, None) => CallError::Unsent(again),
                (other, _) => other,
            });
        }
        self.timer.as_mut().reset(deadline);
        std::future::poll_fn(|context| self.poll_call(head_only, context)).await
    }

    /// Writes until the first byte has gone. [`CallError::Broken`] when none has.
    async fn first_write(&mut self, deadline: Instant) -> Result<(), CallError> {
        let Self {
            stream, out, timer, ..
        } = self;
        let mut waits = false;
        let count =
            std::future::poll_fn(
                |context| match Pin::new(&mut *stream).poll_write(context, out) {
                    Poll::Ready(written) => Poll::Ready(written.map_err(|_| CallError::Broken)),
                    Poll::Pending => {
                        if !std::mem::replace(&mut waits, true) {
                            timer.as_mut().reset(deadline);
                        }
                        ready!(timer.as_mut().poll(context));
                        Poll::Ready(Err(CallError::Timeout))
                    }
                },
            )
            .await?;
        match count {
            0 => return Err(CallError::Broken),
            all if all == out.len() => out.clear(),
            some => out.advance(some),
        }
        Ok(())
    }

    fn poll_call(
        &mut self,
        head_only: bool,
        context: &mut Context<'_>,
    ) -> Poll<Result<Head, CallError>> {
        let sent = self.poll_send(context);
        loop {
            if !self.held.is_empty() {
                match parse(&self.held, head_only) {
                    Ok(Parsed::Head(used, head)) => {
                        self.taken(used);
                        return Poll::Ready(Ok(head));
                    }
                    Ok(Parsed::Interim(used)) => {
                        self.taken(used);
                        continue;
                    }
                    Ok(Parsed::Partial) => {}
                    Err(Malformed) => return Poll::Ready(Err(CallError::Broken)),
                }
            }
            match self.poll_fill(HEAD_ROOM, context) {
                Poll::Ready(Ok(1..)) => {}
                Poll::Ready(Ok(0) | Err(_)) => return Poll::Ready(Err(CallError::Broken)),
                // A service that answers before it has read everything closes its side: the answer is looked for first.
                Poll::Pending if matches!(sent, Poll::Ready(Err(_))) => {
                    return Poll::Ready(Err(CallError::Broken));
                }
                Poll::Pending => {
                    ready!(self.timer.as_mut().poll(context));
                    return Poll::Ready(Err(CallError::Timeout));
                }
            }
        }
    }

    fn taken(&mut self, count: usize) {
        if count == self.held.len() {
            self.held.clear();
        } else {
            self.held.advance(count);
        }
    }

    fn poll_fill(&mut self, room: usize, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if self.held.capacity() - self.held.len() < room / 2 {
            self.held.reserve(room);
        }
        poll_read_buf(Pin::new(&mut self.stream), context, &mut self.held)
    }

    /// Writes what can be written of the call; ready when all of it was.
    ///
    /// # Errors
    /// When the connection broke, or of kind `Other` when the client's body was given up. The rest is not sent then.
    fn poll_send(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.broken {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let outcome = self.poll_write(context);
        self.broken = matches!(outcome, Poll::Ready(Err(_)));
        outcome
    }

    fn poll_write(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            while !self.out.is_empty() {
                let count = ready!(Pin::new(&mut self.stream).poll_write(context, &self.out))?;
                match count {
                    0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                    all if all == self.out.len() => self.out.clear(),
                    some => self.out.advance(some),
                }
            }
            while !self.piece.is_empty() {
                let count = ready!(Pin::new(&mut self.stream).poll_write(context, &self.piece))?;
                if count == 0 {
                    return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
                }
                self.piece.advance(count);
            }
            let Some(upload) = &mut self.upload else {
                return Poll::Ready(Ok(()));
            };
            if std::mem::take(&mut upload.in_chunk) {
                self.out.extend_from_slice(b"\r\n");
            }
            match ready!(upload.body.poll(context)) {
                Some(Ok(bytes)) if bytes.is_empty() => {}
                Some(Ok(bytes)) => {
                    if upload.chunked {
                        self.out
                            .extend_from_slice(format!("{:x}\r\n", bytes.len()).as_bytes());
                        upload.in_chunk = true;
                    }
                    self.piece = bytes;
                }
                Some(Err(failure)) => return Poll::Ready(Err(io::Error::other(failure))),
                None => {
                    if upload.chunked {
                        self.out.extend_from_slice(b"0\r\n\r\n");
                    }
                    self.upload = None;
                }
            }
        }
    }

    /// The next piece of an answer's body; `None` at its end. `waits` is the caller's note that it waits already: a
    /// silence longer than `stall` ends the answer.
    pub fn poll_body(
        &mut self,
        length: &mut Length,
        stall: Duration,
        waits: &mut bool,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, BodyError>>> {
        // A service that answers before it has read everything may stop reading: its answer still counts. A client that
        // gave up its body waits for none.
        if !self.is_sent()
            && let Poll::Ready(Err(error)) = self.poll_send(context)
            && error.kind() == io::ErrorKind::Other
        {
            return Poll::Ready(Some(Err(BodyError::Broken)));
        }
        loop {
            match length.take(&mut self.held) {
                Ok(Piece::Bytes(bytes)) => {
                    *waits = false;
                    return Poll::Ready(Some(Ok(bytes)));
                }
                Ok(Piece::End) => return Poll::Ready(None),
                Ok(Piece::More) => {}
                Err(Malformed) => return Poll::Ready(Some(Err(BodyError::Broken))),
            }
            match self.poll_fill(BODY_ROOM, context) {
                Poll::Ready(Ok(1..)) => {}
                Poll::Ready(Ok(0)) if *length == Length::Close => return Poll::Ready(None),
                Poll::Ready(Ok(0) | Err(_)) => {
                    return Poll::Ready(Some(Err(BodyError::Broken)));
                }
                Poll::Pending => {
                    if !std::mem::replace(waits, true) {
                        self.timer.as_mut().reset(Instant::now() + stall);
                    }
                    ready!(self.timer.as_mut().poll(context));
                    return Poll::Ready(Some(Err(BodyError::Stalled)));
                }
            }
        }
    }

    /// What there is of a body that came whole with its head.
    pub fn whole(&mut self, length: &mut Length) -> Option<Bytes> {
        match *length {
            Length::Bytes(0) => Some(Bytes::new()),
            Length::Bytes(left) if left <= self.held.len() as u64 => {
                match length.take(&mut self.held) {
                    Ok(Piece::Bytes(bytes)) => Some(bytes),
                    _ => None,
                }
            }
            _ => None,
        }
    }

    /// The connection itself and what was read of it and not taken, once it speaks another protocol.
    pub fn into_parts(self) -> (TcpStream, Bytes) {
        (self.stream, self.held.freeze())
    }
}

/// Why an answer's body ended too early.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// The service broke off, or its framing is wrong.
    #[error("the service broke off")]
    Broken,
    /// The service sent nothing for too long.
    #[error("the service stopped sending")]
    Stalled,
}
