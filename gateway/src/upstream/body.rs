//! What the client sends on its way to a service: streamed and guarded.

use std::cell::Cell;
use std::collections::VecDeque;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use futures_util::Stream;
use thiserror::Error;
use tokio::time::{Sleep, sleep};

use crate::wire::flow::ClientBody;

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
    payload: ClientBody,
    length: Option<u64>,
    rules: BodyRules,
    received: u64,
    waited: Duration,
    waiting_since: Option<Instant>,
    timer: Option<Pin<Box<Sleep>>>,
    state: Rc<BodyState>,
    /// Taken from the client before the service was called.
    ahead: VecDeque<Bytes>,
}

impl GuardedBody {
    /// Guards a payload of this declared length.
    pub fn new(payload: ClientBody, length: Option<u64>, rules: BodyRules) -> Self {
        Self {
            payload,
            length,
            rules,
            received: 0,
            waited: Duration::ZERO,
            waiting_since: None,
            timer: None,
            state: Rc::default(),
            ahead: VecDeque::new(),
        }
    }

    /// How far it has come; shared with it.
    pub fn state(&self) -> Rc<BodyState> {
        Rc::clone(&self.state)
    }

    /// Waits until the body is whole (`true`) or so much of it has come. A client that sends slowly takes no place at
    /// the service meanwhile (Q-G4).
    ///
    /// # Errors
    /// When it is given up before.
    pub async fn settle(&mut self, most: usize) -> Result<bool, BodyFailure> {
        let mut held = 0;
        while held < most {
            match std::future::poll_fn(|context| self.poll_client(context)).await {
                Some(Ok(bytes)) => {
                    held += bytes.len();
                    self.ahead.push_back(bytes);
                    if self.state.is_done() {
                        return Ok(true);
                    }
                }
                Some(Err(failure)) => return Err(failure),
                None => return Ok(true),
            }
        }
        Ok(false)
    }

    /// A settled body in one piece.
    pub fn into_whole(mut self) -> Bytes {
        if self.ahead.len() < 2 {
            return self.ahead.pop_front().unwrap_or_default();
        }
        let mut whole = BytesMut::with_capacity(self.ahead.iter().map(Bytes::len).sum());
        for piece in &self.ahead {
            whole.extend_from_slice(piece);
        }
        whole.freeze()
    }

    fn fail(&self, failure: BodyFailure) -> Poll<Option<Result<Bytes, BodyFailure>>> {
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

    /// Its declared length.
    pub fn length(&self) -> Option<u64> {
        self.length
    }

    /// The next piece; `None` at its end, and never after a failure. A body that was shorter than declared has broken
    /// off.
    pub fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyFailure>>> {
        if let Some(bytes) = self.ahead.pop_front() {
            return Poll::Ready(Some(Ok(bytes)));
        }
        if self.state.is_done() {
            return Poll::Ready(None);
        }
        self.poll_client(context)
    }

    fn poll_client(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, BodyFailure>>> {
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
                Poll::Ready(Some(Ok(bytes)))
            }
            Poll::Ready(Some(Err(_))) => self.fail(BodyFailure::Broken),
            Poll::Ready(None) => {
                if self.length.is_some_and(|length| length != self.received) {
                    return self.fail(BodyFailure::Broken);
                }
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
    /// A small body that came whole; can be sent again.
    Whole(Bytes),
    /// The client's body, as it comes.
    Client(GuardedBody),
}

impl std::fmt::Debug for RequestBody {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Never its bytes.
        formatter.write_str(match self {
            Self::Empty => "Empty",
            Self::Whole(_) => "Whole",
            Self::Client(_) => "Client",
        })
    }
}

impl RequestBody {
    /// The same once more, where that is possible.
    pub fn again(&self) -> Option<Self> {
        match self {
            Self::Empty => Some(Self::Empty),
            Self::Whole(bytes) => Some(Self::Whole(bytes.clone())),
            Self::Client(_) => None,
        }
    }

    /// Its length in bytes, when it is known.
    pub fn length(&self) -> Option<u64> {
        match self {
            Self::Empty => Some(0),
            Self::Whole(bytes) => Some(bytes.len() as u64),
            Self::Client(body) => body.length(),
        }
    }
}
