//! One call to a service: choose an instance, take a connection, send, wait for the answer's head; repeat where that is
//! safe.

use std::rc::Rc;
use std::sync::Arc;

use http::Request;
use hyper::Response;
use hyper::body::Incoming;
use tokio::time::{Instant, timeout_at};

use super::body::{Lease, RequestBody};
use super::instance::{Instance, Load, Service};
use super::pool::{Pool, Sender};

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
    /// Writes the head.
    pub head: &'a dyn Fn() -> Request<()>,
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
) -> Result<(Response<Incoming>, Lease), SendError> {
    let place = service.enter().ok_or(SendError::Busy)?;
    let Outgoing {
        head,
        body,
        repeatable,
        retries,
        deadline,
    } = outgoing;
    let upload = match &body {
        RequestBody::Client(guarded) => Some(guarded.state()),
        RequestBody::Empty => None,
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
        let outcome = timeout_at(deadline, attempt(&instance, pool, head, &mut body)).await;
        last = match outcome {
            Ok(Ok((answer, sender))) => {
                instance.breaker.succeeded();
                let load = Load::new(&instance);
                let lease = Lease {
                    pool: Rc::clone(pool),
                    sender: Some(sender),
                    load,
                    place,
                    upload,
                };
                return Ok((answer, lease));
            }
            Ok(Err(error)) => error,
            Err(_) => SendError::Timeout,
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

/// One try on one instance. A kept connection that turns out closed before anything was written is replaced at once:
/// that is no repetition.
async fn attempt(
    instance: &Arc<Instance>,
    pool: &Rc<Pool>,
    head: &dyn Fn() -> Request<()>,
    body: &mut Option<RequestBody>,
) -> Result<(Response<Incoming>, Sender), SendError> {
    let _load = Load::new(instance);
    loop {
        let (mut sender, kept) = match pool.reuse(instance).await {
            Some(sender) => (sender, true),
            None => (
                pool.connect(instance)
                    .await
                    .map_err(|_| SendError::Connect)?,
                false,
            ),
        };
        let taken = body.take().ok_or(SendError::Broken)?;
        let empty = matches!(taken, RequestBody::Empty);
        let request = head().map(|()| taken);
        match sender.try_send_request(request).await {
            Ok(answer) => return Ok((answer, sender)),
            Err(mut error) => match error.take_message() {
                Some(unsent) => {
                    *body = Some(unsent.into_body());
                    if !kept {
                        return Err(SendError::Broken);
                    }
                }
                None => {
                    if empty {
                        *body = Some(RequestBody::Empty);
                    }
                    return Err(SendError::Broken);
                }
            },
        }
    }
}
