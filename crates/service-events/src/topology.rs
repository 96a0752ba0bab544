use std::{collections::HashSet, time::Duration};

use lapin::{
    Channel, ExchangeKind,
    options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions},
    types::{AMQPValue, FieldTable},
};

use crate::{Broker, EventsError, broker::answer};

/// When a failed event is tried again before it is given up.
#[derive(Debug, Clone)]
pub struct RetryPolicy {
    /// The pauses between attempts, in order; one attempt more than there are pauses.
    pub delays: Vec<Duration>,
    /// How often the broker hands out a message whose consumer dies before it gives it up.
    pub delivery_limit: u16,
}

impl Default for RetryPolicy {
    /// 1 s, 5 s, 30 s, 2 min, 10 min; 20 deaths of consumers.
    fn default() -> Self {
        Self {
            delays: [1, 5, 30, 120, 600].map(Duration::from_secs).to_vec(),
            delivery_limit: 20,
        }
    }
}

/// One durable quorum queue per (service, event family) with its dead-letter queue.
#[derive(Debug, Clone)]
pub struct Topology {
    /// The consumer's name in the inbox: `<service>.<family>`, without the prefix.
    pub consumer: String,
    /// The queue's name in the broker.
    pub queue: String,
    /// The event names bound to it.
    pub names: Vec<&'static str>,
    /// Retries and the delivery limit.
    pub retry: RetryPolicy,
}

impl Topology {
    /// The names of a queue for `family` of `service`.
    pub fn new(broker: &Broker, service: &str, family: &str, retry: RetryPolicy) -> Self {
        let consumer = format!("{service}.{family}");
        Self {
            queue: broker.name(&consumer),
            consumer,
            names: Vec::new(),
            retry,
        }
    }

    /// Bound to these events.
    #[must_use]
    pub fn bound_to(mut self, names: &[&'static str]) -> Self {
        self.names = names.to_vec();
        self.names.sort_unstable();
        self
    }

    /// Where given-up messages wait for the drain.
    pub fn dead_queue(&self) -> String {
        format!("{}.dead", self.queue)
    }

    /// The exchange of the queue where a message waits before attempt number `attempt + 1`, or
    /// `None` when it is given up.
    pub(crate) fn retry_exchange(&self, broker: &Broker, attempt: usize) -> Option<String> {
        self.retry
            .delays
            .get(attempt.checked_sub(1)?)
            .map(|delay| retry_name(broker, *delay))
    }

    /// Declares exchange, queues and bindings. Idempotent.
    ///
    /// # Errors
    /// When the broker refuses, for example because a queue of that name has other arguments.
    pub async fn declare(&self, broker: &Broker, channel: &Channel) -> Result<(), EventsError> {
        self.declare_beside(&mut HashSet::new(), broker, channel)
            .await
    }

    /// [`declare`](Self::declare) for one queue of several: retry queues, which all share, are declared when they are not
    /// among `retries` yet, and remembered there.
    ///
    /// # Errors
    /// When the broker refuses.
    pub(crate) async fn declare_beside(
        &self,
        retries: &mut HashSet<Duration>,
        broker: &Broker,
        channel: &Channel,
    ) -> Result<(), EventsError> {
        declare_exchange(broker, channel).await?;
        declare_queue(broker, channel, &self.dead_queue(), quorum()).await?;
        for delay in &self.retry.delays {
            if !retries.contains(delay) {
                declare_retry(broker, channel, *delay).await?;
                retries.insert(*delay);
            }
        }
        let mut arguments = dead_lettering(Some(&self.dead_queue()));
        let limit = i32::from(self.retry.delivery_limit);
        arguments.insert("x-delivery-limit".into(), AMQPValue::LongInt(limit));
        declare_queue(broker, channel, &self.queue, arguments).await?;
        for name in &self.names {
            let bound = channel.queue_bind(
                self.queue.as_str().into(),
                broker.exchange().into(),
                (*name).into(),
                QueueBindOptions::default(),
                FieldTable::default(),
            );
            answer(bound).await??;
        }
        Ok(())
    }
}

/// The one exchange; relays declare it too, so that a publish never meets a missing one.
pub(crate) async fn declare_exchange(
    broker: &Broker,
    channel: &Channel,
) -> Result<(), EventsError> {
    let options = ExchangeDeclareOptions {
        durable: true,
        ..ExchangeDeclareOptions::default()
    };
    let declared = channel.exchange_declare(
        broker.exchange().into(),
        ExchangeKind::Topic,
        options,
        FieldTable::default(),
    );
    Ok(answer(declared).await??)
}

/// The queue where messages of every consumer wait `delay` before they go back to the queue that
/// their routing key names. One for the platform, not one per consumer: each quorum queue is a
/// consensus group of its own. The name carries the delay, so that a changed policy meets no queue
/// of other arguments.
async fn declare_retry(
    broker: &Broker,
    channel: &Channel,
    delay: Duration,
) -> Result<(), EventsError> {
    let name = retry_name(broker, delay);
    let millis = i64::try_from(delay.as_millis()).unwrap_or(i64::MAX);
    let mut arguments = dead_lettering(None);
    arguments.insert("x-message-ttl".into(), AMQPValue::LongLongInt(millis));
    declare_queue(broker, channel, &name, arguments).await?;
    let options = ExchangeDeclareOptions {
        durable: true,
        ..ExchangeDeclareOptions::default()
    };
    let exchange = name.as_str().into();
    answer(channel.exchange_declare(
        exchange,
        ExchangeKind::Fanout,
        options,
        FieldTable::default(),
    ))
    .await??;
    let bound = channel.queue_bind(
        name.as_str().into(),
        name.as_str().into(),
        "".into(),
        QueueBindOptions::default(),
        FieldTable::default(),
    );
    Ok(answer(bound).await??)
}

fn retry_name(broker: &Broker, delay: Duration) -> String {
    broker.name(&format!("retry.{}", delay.as_millis()))
}

async fn declare_queue(
    broker: &Broker,
    channel: &Channel,
    name: &str,
    mut arguments: FieldTable,
) -> Result<(), EventsError> {
    if let Some(unused) = broker.expiry() {
        let millis = i64::try_from(unused.as_millis()).unwrap_or(i64::MAX);
        arguments.insert("x-expires".into(), AMQPValue::LongLongInt(millis));
    }
    let options = QueueDeclareOptions {
        durable: true,
        ..QueueDeclareOptions::default()
    };
    answer(channel.queue_declare(name.into(), options, arguments)).await??;
    Ok(())
}

fn quorum() -> FieldTable {
    let mut arguments = FieldTable::default();
    arguments.insert("x-queue-type".into(), text("quorum"));
    arguments
}

/// A quorum queue whose dead messages reach the queue `target`, or the one that their routing key
/// names, at least once; that strategy works only together with `reject-publish`.
fn dead_lettering(target: Option<&str>) -> FieldTable {
    let mut arguments = quorum();
    arguments.insert("x-dead-letter-exchange".into(), text(""));
    if let Some(target) = target {
        arguments.insert("x-dead-letter-routing-key".into(), text(target));
    }
    arguments.insert("x-dead-letter-strategy".into(), text("at-least-once"));
    arguments.insert("x-overflow".into(), text("reject-publish"));
    arguments
}

fn text(value: &str) -> AMQPValue {
    AMQPValue::LongString(value.into())
}
