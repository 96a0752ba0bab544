//! Kept upstream connections, one pool per worker thread: no lock, no hop between threads.
//!
//! Measured fastest of the upstream sides tried: docs/decisions/0005-gateway-fast-path.md.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use thiserror::Error;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::instance::Instance;
use super::link::Link;

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
}

struct Idle {
    link: Link,
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
    pub fn reuse(&self, instance: &Instance) -> Option<Link> {
        let mut idle = self.idle.borrow_mut();
        let kept = idle.get_mut(instance.id)?;
        while let Some(Idle { link, since }) = kept.pop() {
            if since.elapsed() <= self.rules.idle && link.still_stands() {
                return Some(link);
            }
        }
        None
    }

    /// A fresh connection.
    ///
    /// # Errors
    /// See [`ConnectError`]; nothing was sent.
    pub async fn connect(&self, instance: &Instance) -> Result<Link, ConnectError> {
        let stream = timeout(
            self.rules.connect_timeout,
            TcpStream::connect(&instance.authority),
        )
        .await
        .map_err(|_| ConnectError::Timeout)??;
        stream.set_nodelay(true)?;
        Ok(Link::new(stream))
    }

    /// Gives a connection back after its answer was read to the end.
    pub fn give_back(&self, instance: &Instance, link: Link) {
        if let Some(list) = self.idle.borrow_mut().get_mut(instance.id)
            && list.len() < self.rules.max_idle
        {
            list.push(Idle {
                link,
                since: Instant::now(),
            });
        }
    }

    /// Drops connections that were not used for long or have ended; called now and then.
    pub fn sweep(&self) {
        for list in self.idle.borrow_mut().iter_mut() {
            list.retain(|idle| idle.since.elapsed() <= self.rules.idle && idle.link.still_stands());
        }
    }
}
