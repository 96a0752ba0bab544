//! A floor of speed under every request body, uploads included (Q-G4): actix waits for ever.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use actix_web::{
    dev::{Payload, ServiceRequest},
    error::PayloadError,
    http::header,
    web::Bytes,
};
use futures_util::Stream;
use tokio::time::{Instant, Sleep, sleep_until};

/// Waiting that is forgiven however little has come.
const GRACE: Duration = Duration::from_secs(5);
/// Bytes that buy a second of waiting.
const BYTES_PER_SECOND: u64 = 1024;

/// Puts the floor under the body of a request that has one. Upgraded connections have no body: they
/// may be silent for hours.
pub(crate) fn set_floor(request: ServiceRequest) -> ServiceRequest {
    let headers = request.headers();
    let has_body = headers.contains_key(header::TRANSFER_ENCODING)
        || headers
            .get(header::CONTENT_LENGTH)
            .is_some_and(|length| length != "0");
    if !has_body || headers.contains_key(header::UPGRADE) {
        return request;
    }
    let (request, payload) = request.into_parts();
    let paced = Paced {
        inner: payload,
        received: 0,
        waited: Duration::ZERO,
        waiting: None,
    };
    ServiceRequest::from_parts(
        request,
        Payload::Stream {
            payload: Box::pin(paced),
        },
    )
}

/// A body that ends with an error when it comes too slowly. Only time spent waiting for the client
/// counts, not the time in which the handler did not read.
struct Paced {
    inner: Payload,
    received: u64,
    waited: Duration,
    waiting: Option<(Instant, Pin<Box<Sleep>>)>,
}

/// All the waiting that so many bytes allow.
fn allowance(received: u64) -> Duration {
    GRACE.max(Duration::from_secs(received / BYTES_PER_SECOND + 1))
}

impl Stream for Paced {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        match Pin::new(&mut this.inner).poll_next(context) {
            Poll::Ready(item) => {
                if let Some((since, _)) = this.waiting.take() {
                    this.waited += since.elapsed();
                }
                if let Some(Ok(chunk)) = &item {
                    this.received += chunk.len() as u64;
                }
                Poll::Ready(item)
            }
            Poll::Pending => {
                let left = allowance(this.received).saturating_sub(this.waited);
                let (_, sleep) = this.waiting.get_or_insert_with(|| {
                    let now = Instant::now();
                    (now, Box::pin(sleep_until(now + left)))
                });
                match sleep.as_mut().poll(context) {
                    Poll::Ready(()) => {
                        let slow = io::Error::new(
                            io::ErrorKind::TimedOut,
                            "the request body came too slowly",
                        );
                        Poll::Ready(Some(Err(PayloadError::Io(slow))))
                    }
                    Poll::Pending => Poll::Pending,
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_buy_time() {
        assert_eq!(allowance(0), Duration::from_secs(5));
        assert_eq!(allowance(4 * 1024), Duration::from_secs(5));
        assert_eq!(allowance(100 * 1024), Duration::from_secs(101));
    }
}
