//! What stands between a client's socket and the HTTP server: strict framing, a window for bodies, a deadline for
//! heads on kept connections.

pub mod flow;
pub mod framing;

use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

use flow::Flow;
use framing::{Framing, Misplaced};

/// Stands in for the first misplaced byte: no parser takes it anywhere in a head or between chunks, so the client gets
/// a 400 and the connection ends.
const REFUSED: u8 = 0;

/// A client's connection.
pub struct Guarded<T> {
    io: T,
    /// `None` for HTTP/2, whose frames leave no doubt.
    framing: Option<Framing>,
    flow: Rc<Flow>,
    head_timeout: Duration,
    head_timer: Option<Pin<Box<Sleep>>>,
    refused: bool,
}

impl<T> Guarded<T> {
    /// An HTTP/1 connection; a head must be complete within this time after its first byte.
    pub fn http1(io: T, head_timeout: Duration) -> Self {
        Self {
            framing: Some(Framing::default()),
            ..Self::http2(io, head_timeout)
        }
    }

    /// An HTTP/2 connection, passed through.
    pub fn http2(io: T, head_timeout: Duration) -> Self {
        Self {
            io,
            framing: None,
            flow: Rc::default(),
            head_timeout,
            head_timer: None,
            refused: false,
        }
    }

    /// The window of its bodies; `None` for HTTP/2.
    pub fn flow(&self) -> Option<Rc<Flow>> {
        self.framing.is_some().then(|| Rc::clone(&self.flow))
    }

    /// The connection itself, after the last HTTP message.
    pub fn into_inner(self) -> T {
        self.io
    }

    /// Ends a connection on which a head takes too long.
    fn watch_head(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        if !self.framing.as_ref().is_some_and(Framing::is_in_head) {
            return Ok(());
        }
        let timeout = self.head_timeout;
        let timer = self
            .head_timer
            .get_or_insert_with(|| Box::pin(sleep(timeout)));
        match timer.as_mut().poll(context) {
            Poll::Ready(()) => Err(io::ErrorKind::TimedOut.into()),
            Poll::Pending => Ok(()),
        }
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Guarded<T> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.framing.is_none() {
            return Pin::new(&mut this.io).poll_read(context, buffer);
        }
        if this.refused {
            return Poll::Ready(Ok(()));
        }
        let start = buffer.filled().len();
        let polled = match this.flow.allowance(context) {
            Some(0) => return Poll::Pending,
            Some(allowed) if allowed < buffer.remaining() => {
                let mut window = ReadBuf::new(buffer.initialize_unfilled_to(allowed));
                let polled = Pin::new(&mut this.io).poll_read(context, &mut window);
                let count = window.filled().len();
                buffer.advance(count);
                polled
            }
            _ => Pin::new(&mut this.io).poll_read(context, buffer),
        };
        let Poll::Ready(Ok(())) = polled else {
            this.watch_head(context)?;
            return polled;
        };
        let came = &buffer.filled()[start..];
        let count = came.len();
        let Some(framing) = &mut this.framing else {
            return polled;
        };
        let (was_in_head, was_in_body) = (framing.is_in_head(), framing.is_in_body());
        match framing.follow(came) {
            Ok(()) => {
                if was_in_head && !framing.is_in_head() {
                    this.head_timer = None;
                }
                if !was_in_body && framing.is_in_body() {
                    this.flow.limit();
                } else {
                    this.flow.used(count);
                }
            }
            Err(Misplaced(at)) => {
                this.refused = true;
                buffer.set_filled(start + at);
                buffer.put_slice(&[REFUSED]);
                metrics::counter!("gateway_framing_refused_total").increment(1);
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Guarded<T> {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().io).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().io).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_shutdown(context)
    }
}
