//! How far the server may read ahead of a request body (Q-G5).
//!
//! The server reads up to 128 KiB ahead of whoever takes the body, and keeps them. Between the socket and the service
//! stands a window instead: the connection reads so much, and more when all of it was taken.

use std::cell::{Cell, RefCell};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use actix_web::dev::Payload;
use actix_web::error::PayloadError;
use bytes::Bytes;
use futures_util::Stream;

/// Bytes read ahead of a body's taker.
const WINDOW: usize = 16 * 1024;

/// One connection's window, shared by the connection and the body that is read from it.
#[derive(Debug, Default)]
pub struct Flow {
    /// `None`: no body is being taken, read as comes.
    left: Cell<Option<usize>>,
    waiting: RefCell<Option<Waker>>,
}

impl Flow {
    /// A body begins.
    pub fn limit(&self) {
        self.left.set(Some(WINDOW));
    }

    /// Bytes that may be read now; registers the reader when there are none.
    pub fn allowance(&self, context: &Context<'_>) -> Option<usize> {
        let left = self.left.get();
        if left == Some(0) {
            *self.waiting.borrow_mut() = Some(context.waker().clone());
        }
        left
    }

    /// So many were read.
    pub fn used(&self, bytes: usize) {
        self.left
            .set(self.left.get().map(|left| left.saturating_sub(bytes)));
    }

    /// Everything read was taken.
    fn refill(&self) {
        if self.left.get().is_some() {
            self.left.set(Some(WINDOW));
            self.wake();
        }
    }

    /// Nobody takes this body any more: what still comes is the server's to discard.
    fn free(&self) {
        self.left.set(None);
        self.wake();
    }

    fn wake(&self) {
        if let Some(waker) = self.waiting.borrow_mut().take() {
            waker.wake();
        }
    }
}

/// A request's body with its window.
pub struct ClientBody {
    payload: Payload,
    flow: Option<Rc<Flow>>,
    socket: bool,
}

impl ClientBody {
    /// A body; HTTP/2 has windows of its own and needs none.
    pub fn new(payload: Payload, flow: Option<Rc<Flow>>) -> Self {
        Self {
            payload,
            flow,
            socket: false,
        }
    }

    /// No body: what follows the head is whatever both sides agree on.
    pub fn socket() -> Self {
        Self {
            payload: Payload::None,
            flow: None,
            socket: true,
        }
    }

    /// Whether the connection itself can be had.
    pub fn is_socket(&self) -> bool {
        self.socket
    }

    /// The same window around what `wrap` makes of the body.
    pub fn map(mut self, wrap: impl FnOnce(Payload) -> Payload) -> Self {
        self.payload = wrap(std::mem::replace(&mut self.payload, Payload::None));
        self
    }
}

impl Stream for ClientBody {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let polled = Pin::new(&mut self.payload).poll_next(context);
        if polled.is_pending()
            && let Some(flow) = &self.flow
        {
            flow.refill();
        }
        polled
    }
}

impl Drop for ClientBody {
    fn drop(&mut self) {
        if let Some(flow) = &self.flow {
            flow.free();
        }
    }
}
