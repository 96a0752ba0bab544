use std::{future::Future, pin::Pin, time::Duration};

use chrono::{DateTime, Utc};
use common_types::clock::SharedClock;
use service_db::{Db, advisory_job};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{Broker, Consumers, Outbox, Relay, Topology, stats};

/// How long running events and jobs may take to end after a stop was asked for.
const GRACE: Duration = Duration::from_secs(15);

/// How often old events are deleted.
const SWEEP: Duration = Duration::from_secs(600);

type Task = Box<dyn FnOnce(CancellationToken) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send>;

/// The background half of a service: relay, consumers with their dead-letter drains, scheduled
/// jobs and loops, stopped together and gently.
pub struct Worker {
    service: &'static str,
    db: Db,
    broker: Broker,
    clock: SharedClock,
    outbox: Outbox,
    unheard: Vec<&'static str>,
    subscribers: Vec<Topology>,
    consumers: Option<Consumers>,
    tasks: Vec<Task>,
}

impl std::fmt::Debug for Worker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Worker")
            .field("service", &self.service)
            .field("consumers", &self.consumers)
            .finish_non_exhaustive()
    }
}

impl Worker {
    /// A worker that relays the outbox and nothing else yet.
    pub fn new(service: &'static str, db: Db, broker: Broker, clock: SharedClock) -> Self {
        let outbox = Outbox::new(db.clone());
        Self {
            service,
            db,
            broker,
            clock,
            outbox,
            unheard: Vec::new(),
            subscribers: Vec::new(),
            consumers: None,
            tasks: Vec::new(),
        }
    }

    /// The handle that wakes this worker's relay; also for whatever commits events in its jobs.
    pub fn outbox(&self) -> Outbox {
        self.outbox.clone()
    }

    /// Wakes and waits through `outbox` instead of a handle of its own.
    #[must_use]
    pub fn with_outbox(mut self, outbox: Outbox) -> Self {
        self.outbox = outbox;
        self
    }

    /// Events of this service that no service consumes yet, see [`Relay::unheard`].
    #[must_use]
    pub fn unheard(mut self, names: &[&'static str]) -> Self {
        self.unheard.extend(names);
        self
    }

    /// Queues of whoever consumes this service's events, see [`Relay::subscribers`].
    #[must_use]
    pub fn subscribers(mut self, queues: Vec<Topology>) -> Self {
        self.subscribers = queues;
        self
    }

    /// What this service consumes.
    #[must_use]
    pub fn consumers(mut self, consumers: Consumers) -> Self {
        self.consumers = Some(consumers);
        self
    }

    /// A job that runs every `interval` in one process at a time. It is given the time.
    #[must_use]
    pub fn job<F, Fut>(mut self, name: &'static str, interval: Duration, job: F) -> Self
    where
        F: Fn(DateTime<Utc>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = anyhow::Result<()>> + Send + 'static,
    {
        let (db, clock) = (self.db.clone(), self.clock.clone());
        self.tasks.push(Box::new(move |cancel| {
            Box::pin(async move {
                tokio::select! {
                    () = cancel.cancelled() => {}
                    () = advisory_job(db, name, interval, clock, job) => {}
                }
            })
        }));
        self
    }

    /// A loop of the service's own. It must end soon after the token is cancelled.
    #[must_use]
    pub fn task<F, Fut>(mut self, task: F) -> Self
    where
        F: FnOnce(CancellationToken) -> Fut + Send + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        self.tasks
            .push(Box::new(move |cancel| Box::pin(task(cancel))));
        self
    }

    /// Runs everything until `cancel`, then waits up to 15 seconds for what is at hand.
    pub async fn run(self, cancel: CancellationToken) {
        let swept = self.db.clone();
        let sweeping = self.job("events-sweep", SWEEP, move |_| {
            let db = swept.clone();
            async move { Ok(stats::sweep(&db).await.map(drop)?) }
        });
        sweeping.run_all(cancel).await;
    }

    async fn run_all(self, cancel: CancellationToken) {
        let tracker = TaskTracker::new();
        // Its own queues stand before it publishes, too: an event that none takes waits up to a minute for its next try.
        let own = self.consumers.iter().flat_map(Consumers::topologies);
        let relay = Relay::new(self.db.clone(), self.broker)
            .unheard(&self.unheard)
            .subscribers(self.subscribers.into_iter().chain(own).collect());
        tracker.spawn(relay.run(self.outbox.clone(), cancel.clone()));
        tracker.spawn(stats::watch(self.db.clone(), self.service, cancel.clone()));
        if let Some(consumers) = self.consumers {
            tracker.spawn(consumers.outbox(self.outbox.clone()).run(cancel.clone()));
        }
        for task in self.tasks {
            tracker.spawn(task(cancel.clone()));
        }
        tracker.close();
        cancel.cancelled().await;
        if tokio::time::timeout(GRACE, tracker.wait()).await.is_err() {
            tracing::warn!(service = self.service, "worker stopped with work at hand");
        }
    }
}
