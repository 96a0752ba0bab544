//! Keeps a chunked request body alive until its answer is out.
//!
//! actix drains a chunked body that the handler dropped, without any deadline: a client that answers a refusal with
//! silence would keep its connection for ever. A body that is still held makes actix close the connection instead.

use std::cell::RefCell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use actix_web::HttpResponse;
use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::Payload;
use actix_web::error::PayloadError;
use bytes::Bytes;
use futures_util::Stream;

type BoxedPayloadStream = Pin<Box<dyn Stream<Item = Result<Bytes, PayloadError>>>>;

/// A shared request body.
#[derive(Clone)]
pub struct Held(Rc<RefCell<Payload>>);

impl Held {
    /// Shares a body; the second value reads it.
    pub fn new(payload: Payload) -> (Self, Payload) {
        let held = Self(Rc::new(RefCell::new(payload)));
        let stream: BoxedPayloadStream = Box::pin(held.clone());
        let reader = Payload::Stream { payload: stream };
        (held, reader)
    }

    /// The answer that keeps the request's body until it is sent.
    pub fn until_sent(self, answer: HttpResponse) -> HttpResponse {
        answer.map_body(|_, body| {
            BoxBody::new(Holding {
                body,
                _request: self,
            })
        })
    }
}

impl Stream for Held {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Pin::new(&mut *self.0.borrow_mut()).poll_next(context)
    }
}

struct Holding {
    body: BoxBody,
    _request: Held,
}

impl MessageBody for Holding {
    type Error = Box<dyn std::error::Error>;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        Pin::new(&mut self.get_mut().body).poll_next(context)
    }
}
