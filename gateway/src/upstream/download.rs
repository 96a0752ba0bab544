//! A service's answer on its way to the client: streamed, with the connection it comes on.

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use actix_web::body::{BodySize, MessageBody};
use bytes::Bytes;

use super::answer::Length;
use super::instance::{Load, Place};
use super::link::{BodyError, Link};
use super::pool::Pool;

/// A connection in use. Given back to its pool when the answer was read to its end, dropped (closed) otherwise.
pub struct Lease {
    /// The worker's pool.
    pub pool: Rc<Pool>,
    /// The connection.
    pub link: Link,
    /// Counts at the instance.
    pub load: Load,
    /// Counts at the service.
    pub place: Place,
    /// Whether the service keeps the connection.
    pub keeps: bool,
}

impl Lease {
    /// Ends the call: the connection can be used again, unless something is still under way on it.
    pub fn give_back(self) {
        if self.keeps && self.link.is_clean() {
            self.pool.give_back(self.load.instance(), self.link);
        }
    }
}

/// The body of a service's answer.
pub struct AnswerBody {
    lease: Option<Lease>,
    length: Length,
    size: BodySize,
    stall: Duration,
    waits: bool,
}

impl AnswerBody {
    /// An answer that the client is told to be of this size; `stall` is the longest silence in it.
    pub fn new(lease: Lease, length: Length, size: BodySize, stall: Duration) -> Self {
        Self {
            lease: Some(lease),
            length,
            size,
            stall,
            waits: false,
        }
    }
}

impl MessageBody for AnswerBody {
    type Error = BodyError;

    fn size(&self) -> BodySize {
        self.size
    }

    fn poll_next(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, BodyError>>> {
        let this = self.get_mut();
        let Some(lease) = &mut this.lease else {
            return Poll::Ready(None);
        };
        let polled = lease
            .link
            .poll_body(&mut this.length, this.stall, &mut this.waits, context);
        let over = match &polled {
            Poll::Ready(Some(Err(_))) => {
                this.lease = None;
                false
            }
            Poll::Ready(None) => true,
            Poll::Ready(Some(Ok(_))) => this.length.is_over(),
            Poll::Pending => false,
        };
        if over && let Some(lease) = this.lease.take() {
            lease.give_back();
        }
        polled
    }
}

impl Drop for AnswerBody {
    fn drop(&mut self) {
        // An answer without body is never polled by the server; its connection is good.
        if self.length.is_over()
            && let Some(lease) = self.lease.take()
        {
            lease.give_back();
        }
    }
}
