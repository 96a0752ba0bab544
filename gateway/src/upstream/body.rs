//! Bodies in both directions, streamed: what the client sends, guarded; what the service answers, with its lease.

use std::cell::Cell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use actix_web::body::{BodySize, MessageBody};
use actix_web::dev::Payload;
use bytes::Bytes;
use futures_util::Stream;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use thiserror::Error;
use tokio::time::{Sleep, sleep};

use super::instance::{Load, Place};
use super::pool::{Pool, Sender};

/// Pieces of a body from this size on are copied out of the server's buffer.
const LARGE_PIECE: usize = 8 * 1024;

/// Why a request body was given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum BodyFailure {
    /// More bytes than the route takes.
    #[error("the request body is too large")]
    TooLarge,
    /// Not complete in time, or slower than the minimum rate.
    #[error("the request body came too slowly")]
    TooSlow,
    /// The client broke off or its framing was wrong.
    #[error("the request body broke off")]
    Broken,
}

/// Rules for a request body.
#[derive(Debug, Clone, Copy)]
pub struct BodyRules {
    /// The most bytes.
    pub most: u64,
    /// Time the client may make us wait in all.
    pub deadline: Option<Duration>,
    /// After this much waiting the minimum rate counts.
    pub grace: Duration,
    /// Bytes per second of waiting.
    pub minimum_rate: u64,
}

/// How far a request body has come, for the answer to the client and for the connection's further use.
#[derive(Debug, Default)]
pub struct BodyState {
    failure: Cell<Option<BodyFailure>>,
    done: Cell<bool>,
}

impl BodyState {
    /// Why it was given up.
    pub fn failure(&self) -> Option<BodyFailure> {
        self.failure.get()
    }

    /// Whether it was handed on to its end.
    pub fn is_done(&self) -> bool {
        self.done.get()
    }
}

/// The body of a request on its way to a service. Only time spent waiting for the client counts against it, not time
/// in which the service did not read.
pub struct GuardedBody {
    payload: Payload,
    length: Option<u64>,
    rules: BodyRules,
    received: u64,
    waited: Duration,
    waiting_since: Option<Instant>,
    timer: Option<Pin<Box<Sleep>>>,
    state: Rc<BodyState>,
}

impl GuardedBody {
    /// Guards a payload of this declared length.
    pub fn new(payload: Payload, length: Option<u64>, rules: BodyRules) -> Self {
        Self {
            payload,
            length,
            rules,
            received: 0,
            waited: Duration::ZERO,
            waiting_since: None,
            timer: None,
            state: Rc::default(),
        }
    }

    /// How far it has come; shared with it.
    pub fn state(&self) -> Rc<BodyState> {
        Rc::clone(&self.state)
    }

    fn fail(&self, failure: BodyFailure) -> Poll<Option<Result<Frame<Bytes>, BodyFailure>>> {
        self.state.failure.set(Some(failure));
        Poll::Ready(Some(Err(failure)))
    }

    fn too_slow(&self) -> bool {
        let waited = self.waited
            + self
                .waiting_since
                .map_or(Duration::ZERO, |since| since.elapsed());
        if self
            .rules
            .deadline
            .is_some_and(|deadline| waited >= deadline)
        {
            return true;
        }
        let counted = waited.saturating_sub(self.rules.grace);
        !counted.is_zero()
            && (self.received as f64) < counted.as_secs_f64() * self.rules.minimum_rate as f64
    }

    fn poll(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyFailure>>> {
        match Pin::new(&mut self.payload).poll_next(context) {
            Poll::Ready(Some(Ok(bytes))) => {
                if let Some(since) = self.waiting_since.take() {
                    self.waited += since.elapsed();
                }
                self.received += bytes.len() as u64;
                if self.received > self.rules.most {
                    return self.fail(BodyFailure::TooLarge);
                }
                if self.length == Some(self.received) {
                    self.state.done.set(true);
                }
                // A large piece is a window into the server's read buffer; passing it on would make the server
                // allocate the next one anew while this one waits in the upstream's queue.
                let bytes = if bytes.len() >= LARGE_PIECE {
                    Bytes::copy_from_slice(&bytes)
                } else {
                    bytes
                };
                Poll::Ready(Some(Ok(Frame::data(bytes))))
            }
            Poll::Ready(Some(Err(_))) => self.fail(BodyFailure::Broken),
            Poll::Ready(None) => {
                self.state.done.set(true);
                Poll::Ready(None)
            }
            Poll::Pending => {
                self.waiting_since.get_or_insert_with(Instant::now);
                loop {
                    if self.too_slow() {
                        return self.fail(BodyFailure::TooSlow);
                    }
                    let timer = self
                        .timer
                        .get_or_insert_with(|| Box::pin(sleep(Duration::from_millis(500))));
                    ready!(timer.as_mut().poll(context));
                    self.timer = None;
                }
            }
        }
    }
}

/// What is sent to a service.
pub enum RequestBody {
    /// No body.
    Empty,
    /// The client's body, as it comes.
    Client(GuardedBody),
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = BodyFailure;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyFailure>>> {
        match self.get_mut() {
            Self::Empty => Poll::Ready(None),
            Self::Client(body) => body.poll(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Client(body) => body.state.is_done(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Client(body) => body.length.map_or_else(SizeHint::new, SizeHint::with_exact),
        }
    }
}

/// A connection in use. Given back to its pool when the answer was read to its end, dropped (closed) otherwise.
pub struct Lease {
    /// The worker's pool.
    pub pool: Rc<Pool>,
    /// The connection.
    pub sender: Option<Sender>,
    /// Counts at the instance.
    pub load: Load,
    /// Counts at the service.
    pub place: Place,
    /// The request's body, when there was one: while it is not through, the connection cannot be used again.
    pub upload: Option<Rc<BodyState>>,
}

impl Lease {
    fn give_back(&mut self) {
        if let Some(sender) = self.sender.take()
            && self.upload.as_ref().is_none_or(|state| state.is_done())
        {
            self.pool.give_back(self.load.instance(), sender);
        }
    }
}

/// Why an answer broke off after it had begun.
#[derive(Debug, Error)]
pub enum AnswerError {
    /// The service broke off.
    #[error("the service broke off: {0}")]
    Broken(#[from] hyper::Error),
    /// The service sent nothing for too long.
    #[error("the service stopped sending")]
    Stalled,
}

/// The body of a service's answer on its way to the client.
pub struct AnswerBody {
    incoming: Incoming,
    size: BodySize,
    lease: Option<Lease>,
    stall: Duration,
    timer: Option<Pin<Box<Sleep>>>,
}

impl AnswerBody {
    /// An answer of this size; `stall` is the longest silence in it.
    pub fn new(incoming: Incoming, size: BodySize, lease: Lease, stall: Duration) -> Self {
        Self {
            incoming,
            size,
            lease: Some(lease),
            stall,
            timer: None,
        }
    }
}

impl MessageBody for AnswerBody {
    type Error = AnswerError;

    fn size(&self) -> BodySize {
        self.size
    }

    fn poll_next(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, AnswerError>>> {
        let this = self.get_mut();
        loop {
            match Pin::new(&mut this.incoming).poll_frame(context) {
                Poll::Ready(Some(Ok(frame))) => {
                    this.timer = None;
                    if this.incoming.is_end_stream()
                        && let Some(mut lease) = this.lease.take()
                    {
                        lease.give_back();
                    }
                    // Trailers end here: they are hop-by-hop unless announced, and no service of ours sends any.
                    if let Ok(bytes) = frame.into_data() {
                        return Poll::Ready(Some(Ok(bytes)));
                    }
                }
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Some(Err(error.into()))),
                Poll::Ready(None) => {
                    if let Some(mut lease) = this.lease.take() {
                        lease.give_back();
                    }
                    return Poll::Ready(None);
                }
                Poll::Pending => {
                    let stall = this.stall;
                    let timer = this.timer.get_or_insert_with(|| Box::pin(sleep(stall)));
                    ready!(timer.as_mut().poll(context));
                    return Poll::Ready(Some(Err(AnswerError::Stalled)));
                }
            }
        }
    }
}

impl Drop for AnswerBody {
    fn drop(&mut self) {
        // An answer without body is never polled by the server; its connection is good.
        if self.incoming.is_end_stream()
            && let Some(mut lease) = self.lease.take()
        {
            lease.give_back();
        }
    }
}
