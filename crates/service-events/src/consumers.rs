use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use common_types::{clock::SharedClock, events::Event};
use service_db::Db;
use tokio_util::sync::CancellationToken;

use crate::{
    Broker, EventHandler, EventsError, Outbox, RetryPolicy, Topology,
    broker::{Backoff, answer},
    consume::consume_queue,
    drain::drain_dead_letters,
    handler::{ErasedHandler, Typed},
};

/// Every event that a service consumes: which queue, which handler.
///
/// ```ignore
/// Consumers::new("payments", db, broker, clock)
///     .on::<WebhookReceived>("provider-events", QueueVerification)
///     .on::<UserRegistered>("users", CopyUser)
/// ```
pub struct Consumers {
    pub(crate) service: &'static str,
    pub(crate) db: Db,
    pub(crate) broker: Broker,
    pub(crate) clock: SharedClock,
    pub(crate) outbox: Option<Outbox>,
    retry: RetryPolicy,
    prefetch: u16,
    families: Vec<Family>,
}

/// One queue with its handlers by event name.
#[derive(Clone)]
pub(crate) struct Family {
    pub(crate) family: &'static str,
    pub(crate) handlers: HashMap<&'static str, Arc<dyn ErasedHandler>>,
}

/// What a consuming task needs.
#[derive(Clone)]
pub(crate) struct Context {
    pub(crate) db: Db,
    pub(crate) broker: Broker,
    pub(crate) clock: SharedClock,
    pub(crate) outbox: Option<Outbox>,
    pub(crate) prefetch: u16,
    pub(crate) cancel: CancellationToken,
}

impl std::fmt::Debug for Consumers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<_> = self.families.iter().map(|family| family.family).collect();
        f.debug_struct("Consumers")
            .field("service", &self.service)
            .field("families", &names)
            .finish_non_exhaustive()
    }
}

impl Consumers {
    /// No consumers yet.
    pub fn new(service: &'static str, db: Db, broker: Broker, clock: SharedClock) -> Self {
        Self {
            service,
            db,
            broker,
            clock,
            outbox: None,
            retry: RetryPolicy::default(),
            prefetch: 10,
            families: Vec::new(),
        }
    }

    /// Applies events of kind `E` with `handler`, in order of arrival within the queue `family`.
    #[must_use]
    pub fn on<E: Event>(mut self, family: &'static str, handler: impl EventHandler<E>) -> Self {
        let handler: Arc<dyn ErasedHandler> = Arc::new(Typed::<E, _>::new(handler));
        match self
            .families
            .iter_mut()
            .find(|known| known.family == family)
        {
            Some(known) => {
                known.handlers.insert(E::NAME, handler);
            }
            None => self.families.push(Family {
                family,
                handlers: HashMap::from([(E::NAME, handler)]),
            }),
        }
        self
    }

    /// Woken after a handler's commit, because handlers may emit.
    #[must_use]
    pub fn outbox(mut self, outbox: Outbox) -> Self {
        self.outbox = Some(outbox);
        self
    }

    /// Other pauses and limits than the default.
    #[must_use]
    pub fn retry(mut self, retry: RetryPolicy) -> Self {
        self.retry = retry;
        self
    }

    /// How many messages the broker hands out before the first is answered; 10 by default.
    #[must_use]
    pub fn prefetch(mut self, prefetch: u16) -> Self {
        self.prefetch = prefetch.max(1);
        self
    }

    /// The queues that these consumers read.
    pub fn topologies(&self) -> Vec<Topology> {
        self.families
            .iter()
            .map(|family| self.topology(family))
            .collect()
    }

    fn topology(&self, family: &Family) -> Topology {
        let mut topology = Topology::new(
            &self.broker,
            self.service,
            family.family,
            self.retry.clone(),
        );
        topology.names = family.handlers.keys().copied().collect();
        topology.names.sort_unstable();
        topology
    }

    /// Declares every queue and binding and returns. Part of `migrate`, so that no event is
    /// published before the queues of all its consumers exist.
    ///
    /// # Errors
    /// When the broker refuses.
    pub async fn declare(&self) -> Result<(), EventsError> {
        let connection = self.broker.connect(self.service).await?;
        let channel = answer(connection.create_channel()).await??;
        let mut retries = HashSet::new();
        for topology in self.topologies() {
            topology
                .declare_beside(&mut retries, &self.broker, &channel)
                .await?;
        }
        let _ = answer(connection.close(200, "done".into())).await?;
        Ok(())
    }

    /// Consumes until `cancel`, reconnecting by itself; then finishes the events at hand.
    pub async fn run(self, cancel: CancellationToken) {
        let mut backoff = Backoff::default();
        while !cancel.is_cancelled() && !self.families.is_empty() {
            let Err(error) = self.session(&cancel, &mut backoff).await else {
                continue;
            };
            metrics::counter!("events_consumer_reconnects_total").increment(1);
            tracing::warn!(service = self.service, %error, "consumers start again");
            tokio::select! { () = cancel.cancelled() => {}, () = backoff.pause() => {} }
        }
    }

    /// One connection's life: any broken part ends all of it, and the next session starts from the
    /// topology.
    async fn session(
        &self,
        cancel: &CancellationToken,
        backoff: &mut Backoff,
    ) -> Result<(), EventsError> {
        let connection = Arc::new(self.broker.connect(self.service).await?);
        let channel = answer(connection.create_channel()).await??;
        let mut tasks = tokio::task::JoinSet::new();
        // A token of the session's own: its first failure stops the others.
        let stop = cancel.child_token();
        let mut retries = HashSet::new();
        for family in &self.families {
            let topology = self.topology(family);
            topology
                .declare_beside(&mut retries, &self.broker, &channel)
                .await?;
            let context = Context {
                db: self.db.clone(),
                broker: self.broker.clone(),
                clock: self.clock.clone(),
                outbox: self.outbox.clone(),
                prefetch: self.prefetch,
                cancel: stop.clone(),
            };
            tasks.spawn(drain_dead_letters(
                connection.clone(),
                topology.clone(),
                context.clone(),
            ));
            tasks.spawn(consume_queue(
                connection.clone(),
                topology,
                family.clone(),
                context,
            ));
        }
        backoff.reset();
        let mut outcome = Ok(());
        while let Some(ended) = tasks.join_next().await {
            let ended = ended.unwrap_or_else(|panic| {
                tracing::error!(%panic, "a consuming task panicked");
                Ok(())
            });
            stop.cancel();
            if outcome.is_ok() {
                outcome = ended;
            }
        }
        let _ = answer(connection.close(200, "done".into())).await;
        outcome
    }
}
