//! Bytes of a joined WebSocket, both ways.

use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep};

use super::close;
use super::frames::{FrameError, FrameWatch, close_frame};
use super::handshake::Joined;
use crate::handler::Worker;
use crate::upstream::instance::{Load, Place};

/// Close code "service restart" (IANA registry of WebSocket close codes).
const RESTART: u16 = 1012;
/// Close code "going away", for a silent connection.
const GOING_AWAY: u16 = 1001;

/// A client's and a service's connection.
pub(super) struct Relay<T> {
    client: T,
    service: TcpStream,
    up: Direction,
    down: Direction,
    /// When the service last sent something.
    heard: Instant,
    idle: Duration,
    counted: Counted,
}

/// What an open socket counts for, until it closes.
struct Counted {
    _place: Place,
    _load: Load,
}

impl Drop for Counted {
    fn drop(&mut self) {
        metrics::gauge!("gateway_websockets").decrement(1.0);
    }
}

/// What is under way in one direction.
struct Direction {
    watch: FrameWatch,
    /// Read and looked at, but the other side did not take it yet. Nothing is read before it went out.
    waiting: Bytes,
    /// Since when the other side takes nothing.
    stalled: Option<Instant>,
    ended: bool,
}

/// Why a direction flows no more.
enum Stop {
    /// Its source ended, or one of its sides broke.
    Ended,
    /// Its source sent what may not pass.
    Refused(FrameError),
}

/// The gateway's last word to the client.
type LastWord = Option<[u8; 4]>;

impl<T> Relay<T>
where
    T: AsyncRead + AsyncWrite + Unpin,
{
    /// Joins the two; `early` is what the client sent right behind its request.
    pub(super) fn new(worker: &Worker, client: T, early: BytesMut, joined: Joined) -> Self {
        let settings = &worker.shared.settings.websocket;
        metrics::gauge!("gateway_websockets").increment(1.0);
        Self {
            client,
            service: joined.service,
            up: Direction::new(FrameWatch::client(settings.max_frame_bytes), &early),
            down: Direction::new(FrameWatch::service(), &joined.early),
            heard: Instant::now(),
            idle: Duration::from_secs(settings.idle_seconds),
            counted: Counted {
                _place: joined.place,
                _load: joined.load,
            },
        }
    }

    /// Carries bytes until one side ends, then closes both.
    pub(super) async fn run(mut self, worker: &Worker) {
        let last = self.carry(worker).await;
        let Self {
            mut client,
            service,
            down,
            counted,
            ..
        } = self;
        drop((service, counted));
        let ending = async {
            if let Some(frame) = last
                && down.watch.is_between_frames()
            {
                // A frame inside another one would be read as its payload; then the end of the connection says enough.
                client.write_all(&down.waiting).await?;
                client.write_all(&frame).await?;
            }
            client.flush().await
        };
        if matches!(
            tokio::time::timeout(super::LINGER, ending).await,
            Ok(Ok(()))
        ) {
            close(&mut client).await;
        }
    }

    async fn carry(&mut self, worker: &Worker) -> LastWord {
        // What came with the heads of the handshake was not looked at yet.
        for (direction, from_client) in [(&mut self.up, true), (&mut self.down, false)] {
            if let Err(error) = direction.watch.look(&direction.waiting) {
                direction.waiting = Bytes::new();
                return from_client.then(|| error.close_frame());
            }
        }
        let mut stopping = pin!(worker.shared.stopping.cancelled());
        let mut timer = pin!(sleep(self.idle));
        std::future::poll_fn(|context| {
            if stopping.as_mut().poll(context).is_ready() {
                return Poll::Ready(Some(close_frame(RESTART)));
            }
            if let Poll::Ready(last) = self.poll(worker, context) {
                return Poll::Ready(last);
            }
            self.watch_time(timer.as_mut(), context)
        })
        .await
    }

    fn poll(&mut self, worker: &Worker, context: &mut Context<'_>) -> Poll<LastWord> {
        let mut space = worker.space.borrow_mut();
        let mut heard = false;
        let down = self.down.pump(
            &mut self.service,
            &mut self.client,
            &mut space,
            &mut heard,
            context,
        );
        if heard {
            self.heard = Instant::now();
        }
        if down.is_ready() {
            return Poll::Ready(None);
        }
        if self.up.ended {
            return Poll::Pending;
        }
        let up = self.up.pump(
            &mut self.client,
            &mut self.service,
            &mut space,
            &mut false,
            context,
        );
        match ready!(up) {
            Stop::Refused(error) => Poll::Ready(Some(error.close_frame())),
            // The service sees the end and closes its side, which ends the other direction.
            Stop::Ended => match Pin::new(&mut self.service).poll_shutdown(context) {
                Poll::Ready(Err(_)) => Poll::Ready(None),
                Poll::Ready(Ok(())) | Poll::Pending => Poll::Pending,
            },
        }
    }

    /// Ends a socket over which the service is silent, or whose service takes nothing. Only the service's side is
    /// watched: a chat service pings, and a client that lives answers.
    fn watch_time(&self, mut timer: Pin<&mut Sleep>, context: &mut Context<'_>) -> Poll<LastWord> {
        while timer.as_mut().poll(context).is_ready() {
            let now = Instant::now();
            if now >= self.heard + self.idle {
                return Poll::Ready(Some(close_frame(GOING_AWAY)));
            }
            let stalled = self.up.stalled.map(|since| since + self.idle);
            if stalled.is_some_and(|until| now >= until) {
                return Poll::Ready(None);
            }
            let next = self.heard + self.idle;
            timer
                .as_mut()
                .reset(stalled.map_or(next, |until| until.min(next)));
        }
        Poll::Pending
    }
}

impl Direction {
    /// A copy of the early bytes: they are a window into a whole buffer, which is given back.
    fn new(watch: FrameWatch, early: &[u8]) -> Self {
        Self {
            watch,
            waiting: Bytes::copy_from_slice(early),
            stalled: None,
            ended: false,
        }
    }

    /// Passes on what comes, through `space`. Ready when nothing more will.
    fn pump<R, W>(
        &mut self,
        from: &mut R,
        to: &mut W,
        space: &mut [u8],
        heard: &mut bool,
        context: &mut Context<'_>,
    ) -> Poll<Stop>
    where
        R: AsyncRead + Unpin,
        W: AsyncWrite + Unpin,
    {
        loop {
            match self.drain(to, context) {
                Poll::Ready(Ok(())) => self.stalled = None,
                Poll::Ready(Err(_)) => {
                    self.ended = true;
                    return Poll::Ready(Stop::Ended);
                }
                Poll::Pending => {
                    self.stalled.get_or_insert_with(Instant::now);
                    return Poll::Pending;
                }
            }
            let mut read = ReadBuf::new(space);
            let came = match ready!(Pin::new(&mut *from).poll_read(context, &mut read)) {
                Ok(()) => read.filled(),
                Err(_) => &[],
            };
            if came.is_empty() {
                self.ended = true;
                return Poll::Ready(Stop::Ended);
            }
            *heard = true;
            if let Err(error) = self.watch.look(came) {
                return Poll::Ready(Stop::Refused(error));
            }
            let written = match Pin::new(&mut *to).poll_write(context, came) {
                Poll::Ready(Ok(written)) => written,
                Poll::Ready(Err(_)) => {
                    self.ended = true;
                    return Poll::Ready(Stop::Ended);
                }
                Poll::Pending => 0,
            };
            if written < came.len() {
                self.waiting = Bytes::copy_from_slice(&came[written..]);
            }
        }
    }

    /// Writes what waits and flushes.
    fn drain<W>(&mut self, to: &mut W, context: &mut Context<'_>) -> Poll<io::Result<()>>
    where
        W: AsyncWrite + Unpin,
    {
        while !self.waiting.is_empty() {
            let written = ready!(Pin::new(&mut *to).poll_write(context, &self.waiting))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.waiting.advance(written);
        }
        self.waiting = Bytes::new();
        Pin::new(to).poll_flush(context)
    }
}
