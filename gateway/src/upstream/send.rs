//! One call to a service: choose an instance, take a connection, send, wait for the answer's head; repeat where that is
//! safe.

use std::rc::Rc;
use std::sync::Arc;

use actix_web::http::StatusCode;
use bytes::BytesMut;
use tokio::time::{Instant, timeout_at};

use super::answer::Head;
use super::body::RequestBody;
use super::download::Lease;
use super::instance::{Instance, Load, Service};
use super::link::{CallError, Link};
use super::pool::Pool;

/// Why no answer came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SendError {
    /// The bulkhead is full.
    Busy,
    /// No instance is configured, or all breakers are open.
    NoInstance,
    /// No connection could be made: nothing was sent.
    Connect,
    /// The connection broke before an answer began.
    Broken,
    /// No answer began in time.
    Timeout,
}

/// A request that can be written again as long as its body was not touched.
pub struct Outgoing<'a> {
    /// Writes the head of a call with this body.
    pub head: &'a dyn Fn(&mut BytesMut, &RequestBody),
    /// Whether the answer has a head only.
    pub head_only: bool,
    /// The body, once.
    pub body: RequestBody,
    /// Whether the call may be repeated after it failed.
    pub repeatable: bool,
    /// Further attempts.
    pub retries: u32,
    /// When the answer must have begun, over all attempts.
    pub deadline: Instant,
}

/// Sends a request and waits for the head of the answer.
///
/// # Errors
/// See [`SendError`]. Dropping the future closes the connection.
pub async fn send(
    service: &Arc<Service>,
    pool: &Rc<Pool>,
    outgoing: Outgoing<'_>,
) -> Result<(Head, Lease), SendError> {
    let place = service.enter().ok_or(SendError::Busy)?;
    let Outgoing {
        head,
        head_only,
        body,
        repeatable,
        retries,
        deadline,
    } = outgoing;
    let upload = match &body {
        RequestBody::Client(guarded) => Some(guarded.state()),
        RequestBody::Empty | RequestBody::Whole(_) => None,
    };
    let mut body = Some(body);
    let mut tried: Vec<usize> = Vec::new();
    let mut last = SendError::NoInstance;
    let attempts = if repeatable { 1 + retries as usize } else { 1 };
    for _ in 0..attempts {
        // When every instance was tried, a single one may be tried again: its connection may just have been closed.
        let Some(instance) = service
            .pick(&tried)
            .or_else(|| service.pick(&[]))
            .filter(|_| body.is_some())
        else {
            break;
        };
        let instance = Arc::clone(instance);
        let load = Load::new(&instance);
        let call = Call {
            head,
            head_only,
            deadline,
        };
        last = match attempt(&instance, pool, &call, &mut body).await {
            Ok((answer, link)) => {
                instance.breaker.succeeded();
                let lease = Lease {
                    pool: Rc::clone(pool),
                    link,
                    load,
                    place,
                    keeps: answer.keeps,
                };
                return Ok((answer, lease));
            }
            Err(error) => error,
        };
        // What the client did is no fault of the instance: neither a body that broke off nor one that never came.
        let client = upload.as_ref().is_some_and(|state| {
            state.failure().is_some() || (last == SendError::Timeout && !state.is_done())
        });
        if client {
            return Err(last);
        }
        instance.breaker.failed();
        tried.push(instance.id);
        if last == SendError::Timeout {
            break;
        }
    }
    Err(last)
}

/// What stays the same over all tries.
struct Call<'a> {
    head: &'a dyn Fn(&mut BytesMut, &RequestBody),
    head_only: bool,
    deadline: Instant,
}

/// One try on one instance. A kept connection that turns out closed before anything was written is replaced at once:
/// that is no repetition.
async fn attempt(
    instance: &Instance,
    pool: &Pool,
    call: &Call<'_>,
    body: &mut Option<RequestBody>,
) -> Result<(Head, Link), SendError> {
    loop {
        let (mut link, kept) = match pool.reuse(instance) {
            Some(link) => (link, true),
            // Boxed: rare, and large beside the rest of a call.
            None => match Box::pin(timeout_at(call.deadline, pool.connect(instance))).await {
                Ok(Ok(link)) => (link, false),
                Ok(Err(_)) => return Err(SendError::Connect),
                Err(_) => return Err(SendError::Timeout),
            },
        };
        let taken = body.take().ok_or(SendError::Broken)?;
        let again = taken.again();
        (call.head)(link.out(), &taken);
        match link.call(taken, call.head_only, call.deadline).await {
            // Nobody asked for another protocol.
            Ok(answer) if answer.response.status() == StatusCode::SWITCHING_PROTOCOLS => {
                return Err(SendError::Broken);
            }
            Ok(answer) => return Ok((answer, link)),
            Err(CallError::Unsent(unsent)) => {
                *body = Some(unsent);
                if !kept {
                    return Err(SendError::Broken);
                }
            }
            Err(error) => {
                *body = again;
                return Err(match error {
                    CallError::Timeout => SendError::Timeout,
                    _ => SendError::Broken,
                });
            }
        }
    }
}
