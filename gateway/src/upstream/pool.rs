//! Kept upstream connections, one pool per worker thread: no lock, no hop between threads.
//!
//! Measured fastest of the upstream sides tried (see docs of performance): hyper's connection API directly, the
//! connection's own task on the worker's thread.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use actix_web::rt;
use hyper::client::conn::http1::{Builder, SendRequest};
use hyper_util::rt::TokioIo;
use thiserror::Error;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::body::RequestBody;
use super::instance::Instance;

/// The most bytes a connection buffers in either direction, and the longest head of an answer.
const MAX_BUFFER: usize = 64 * 1024;

/// A connection that can carry one request at a time.
pub type Sender = SendRequest<RequestBody>;

/// How connections are made and kept.
#[derive(Debug, Clone, Copy)]
pub struct PoolRules {
    /// Until a TCP connection must stand.
    pub connect_timeout: Duration,
    /// Unused connections are dropped after this; must be below the services' keep-alive.
    pub idle: Duration,
    /// The most unused connections per instance and worker.
    pub max_idle: usize,
}

/// No connection could be made: nothing was sent.
#[derive(Debug, Error)]
pub enum ConnectError {
    /// Refused, unreachable, not resolved.
    #[error("cannot connect: {0}")]
    Io(#[from] std::io::Error),
    /// [`PoolRules::connect_timeout`] passed.
    #[error("connecting took too long")]
    Timeout,
    /// The HTTP handshake failed.
    #[error("handshake: {0}")]
    Handshake(#[from] hyper::Error),
}

struct Idle {
    sender: Sender,
    since: Instant,
}

/// The unused connections of one worker.
pub struct Pool {
    rules: PoolRules,
    idle: RefCell<Vec<Vec<Idle>>>,
}

impl Pool {
    /// An empty pool for this many instances.
    pub fn new(rules: PoolRules, instances: usize) -> Rc<Self> {
        Rc::new(Self {
            rules,
            idle: RefCell::new((0..instances).map(|_| Vec::new()).collect()),
        })
    }

    /// A connection that was used last, if one is alive.
    pub async fn reuse(&self, instance: &Instance) -> Option<Sender> {
        loop {
            let idle = self.idle.borrow_mut().get_mut(instance.id)?.pop()?;
            if idle.since.elapsed() > self.rules.idle || idle.sender.is_closed() {
                continue;
            }
            let mut sender = idle.sender;
            if sender.is_ready() || sender.ready().await.is_ok() {
                return Some(sender);
            }
        }
    }

    /// A fresh connection.
    ///
    /// # Errors
    /// See [`ConnectError`]; nothing was sent.
    pub async fn connect(&self, instance: &Instance) -> Result<Sender, ConnectError> {
        let stream = self.open(instance).await?;
        let (mut sender, connection) = Builder::new()
            .max_headers(128)
            .max_buf_size(MAX_BUFFER)
            .handshake::<_, RequestBody>(TokioIo::new(stream))
            .await?;
        rt::spawn(async move {
            // An error here also reaches the waiting call; an idle connection's end is no event.
            let _ = connection.await;
        });
        sender.ready().await?;
        Ok(sender)
    }

    /// A fresh TCP connection, for WebSockets.
    ///
    /// # Errors
    /// See [`ConnectError`].
    pub async fn open(&self, instance: &Instance) -> Result<TcpStream, ConnectError> {
        let stream = timeout(
            self.rules.connect_timeout,
            TcpStream::connect(&instance.authority),
        )
        .await
        .map_err(|_| ConnectError::Timeout)??;
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    /// Gives a connection back after its answer was read to the end.
    pub fn give_back(&self, instance: &Instance, sender: Sender) {
        if sender.is_closed() {
            return;
        }
        if let Some(list) = self.idle.borrow_mut().get_mut(instance.id)
            && list.len() < self.rules.max_idle
        {
            list.push(Idle {
                sender,
                since: Instant::now(),
            });
        }
    }

    /// Drops connections that were not used for long; called now and then.
    pub fn sweep(&self) {
        for list in self.idle.borrow_mut().iter_mut() {
            list.retain(|idle| idle.since.elapsed() <= self.rules.idle && !idle.sender.is_closed());
        }
    }
}
