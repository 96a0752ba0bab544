use std::{panic::AssertUnwindSafe, sync::Arc};

use common_types::events::Envelope;
use futures_util::{FutureExt, StreamExt};
use lapin::{
    Channel, Connection,
    message::Delivery,
    options::{BasicAckOptions, BasicConsumeOptions, BasicQosOptions},
    types::{AMQPValue, FieldTable},
};
use service_db::{Db, DbError};
use tracing::Instrument;

use crate::{
    EventsError, HandlerError, Topology,
    broker::{answer, confirming_channel, send},
    consumers::{Context, Family},
    handler::ErasedHandler,
    inbox,
};

/// How often this message was tried by a handler.
pub(crate) const ATTEMPT: &str = "x-tabib-attempt";
/// Why it was given up: `poison` or `retries`.
pub(crate) const REASON: &str = "x-tabib-reason";
/// The last error's words.
pub(crate) const ERROR: &str = "x-tabib-error";
/// The longest error text that travels with a message.
const ERROR_CHARS: usize = 500;

/// Reads one queue until it breaks or is told to stop.
pub(crate) async fn consume_queue(
    connection: Arc<Connection>,
    topology: Topology,
    family: Family,
    context: Context,
) -> Result<(), EventsError> {
    let channel = answer(connection.create_channel()).await??;
    let aside = confirming_channel(&connection).await?;
    answer(channel.basic_qos(context.prefetch, BasicQosOptions::default())).await??;
    let consuming = channel.basic_consume(
        topology.queue.as_str().into(),
        "".into(),
        BasicConsumeOptions::default(),
        FieldTable::default(),
    );
    let mut deliveries = answer(consuming).await??;
    let worker = QueueWorker {
        topology,
        family,
        context,
        aside,
    };
    loop {
        tokio::select! {
            biased;
            () = worker.context.cancel.cancelled() => return Ok(()),
            delivery = deliveries.next() => match delivery {
                Some(delivery) => worker.take(delivery?).await?,
                None => return Err(EventsError::Unroutable(worker.topology.queue.clone())),
            },
        }
    }
}

struct QueueWorker {
    topology: Topology,
    family: Family,
    context: Context,
    /// Where messages for the retry and dead-letter queues go.
    aside: Channel,
}

/// What became of one event.
enum Outcome {
    Applied,
    Duplicate,
    Failed(HandlerError),
}

impl QueueWorker {
    /// Applies one message and answers the broker only when its effect is committed, or when the
    /// broker has stored it elsewhere.
    async fn take(&self, delivery: Delivery) -> Result<(), EventsError> {
        let outcome = match serde_json::from_slice::<Envelope>(&delivery.data) {
            Ok(envelope) => {
                let span = service_telemetry::span_from_traceparent(
                    "consume_event",
                    envelope.traceparent.as_deref(),
                );
                self.apply(&envelope).instrument(span).await?
            }
            Err(error) => Outcome::Failed(HandlerError::Poison(format!("no envelope: {error}"))),
        };
        let label = match &outcome {
            Outcome::Applied => "applied",
            Outcome::Duplicate => "duplicate",
            Outcome::Failed(HandlerError::Retry(_)) => "retry",
            Outcome::Failed(HandlerError::Poison(_)) => "poison",
        };
        metrics::counter!("events_consumed_total", "queue" => self.topology.consumer.clone(), "outcome" => label).increment(1);
        match outcome {
            Outcome::Applied => {
                if let Some(outbox) = &self.context.outbox {
                    outbox.wake();
                }
            }
            Outcome::Duplicate => {}
            Outcome::Failed(error) => self.put_aside(&delivery, &error).await?,
        }
        answer(delivery.acker.ack(BasicAckOptions::default())).await??;
        Ok(())
    }

    /// Runs the handler. While the database is away the message waits here: that is nobody's failed
    /// attempt.
    async fn apply(&self, envelope: &Envelope) -> Result<Outcome, EventsError> {
        let Some(handler) = self.family.handlers.get(envelope.name.as_str()) else {
            let error = format!(
                "{} has no handler for {}",
                self.topology.consumer, envelope.name
            );
            return Ok(Outcome::Failed(HandlerError::Poison(error)));
        };
        let mut backoff = crate::broker::Backoff::default();
        loop {
            let consumer = &self.topology.consumer;
            let applying = apply_once(&self.context.db, consumer, handler.as_ref(), envelope);
            let error = match AssertUnwindSafe(applying).catch_unwind().await {
                Ok(Ok(true)) => return Ok(Outcome::Applied),
                Ok(Ok(false)) => return Ok(Outcome::Duplicate),
                Ok(Err(error)) => error,
                Err(panic) => HandlerError::Retry(anyhow::anyhow!("panic: {}", words(&*panic))),
            };
            if !is_outage(&error) {
                return Ok(Outcome::Failed(error));
            }
            tracing::warn!(%error, queue = consumer, "event waits for the database");
            tokio::select! {
                () = self.context.cancel.cancelled() => {
                    return Err(EventsError::Timeout(0));
                }
                () = backoff.pause() => {}
            }
        }
    }

    /// Stores the failed message in the next retry queue, or in the dead-letter queue.
    async fn put_aside(
        &self,
        delivery: &Delivery,
        error: &HandlerError,
    ) -> Result<(), EventsError> {
        let attempt = attempts(delivery) + 1;
        let retry = match error {
            HandlerError::Retry(_) => self.topology.retry_exchange(&self.context.broker, attempt),
            HandlerError::Poison(_) => None,
        };
        let reason = match (error, &retry) {
            (HandlerError::Poison(_), _) => "poison",
            (HandlerError::Retry(_), Some(_)) => "retry",
            (HandlerError::Retry(_), None) => "retries",
        };
        let text: String = error.to_string().chars().take(ERROR_CHARS).collect();
        tracing::warn!(
            queue = self.topology.consumer,
            attempt,
            reason,
            error = text,
            "event not applied"
        );
        let mut headers = FieldTable::default();
        let number = i32::try_from(attempt).unwrap_or(i32::MAX);
        headers.insert(ATTEMPT.into(), AMQPValue::LongInt(number));
        headers.insert(REASON.into(), AMQPValue::LongString(reason.into()));
        headers.insert(ERROR.into(), AMQPValue::LongString(text.into()));
        let id = delivery.properties.message_id().clone();
        let (exchange, key) = match retry {
            Some(exchange) => (exchange, self.topology.queue.clone()),
            None => (String::new(), self.topology.dead_queue()),
        };
        send(&self.aside, &exchange, &key, &delivery.data, id, headers).await
    }
}

/// Handler and inbox row in one transaction. Answers `false` when the event had its effect before.
async fn apply_once(
    db: &Db,
    consumer: &str,
    handler: &dyn ErasedHandler,
    envelope: &Envelope,
) -> Result<bool, HandlerError> {
    db.transaction(async |conn| {
        if !inbox::record(conn, consumer, envelope.id).await? {
            return Ok(false);
        }
        handler.apply(conn, envelope).await?;
        Ok::<_, HandlerError>(true)
    })
    .await
}

fn is_outage(error: &HandlerError) -> bool {
    match error {
        HandlerError::Retry(error) => error
            .downcast_ref::<DbError>()
            .is_some_and(DbError::is_unavailable),
        HandlerError::Poison(_) => false,
    }
}

fn attempts(delivery: &Delivery) -> usize {
    let headers = delivery.properties.headers().as_ref();
    match headers.and_then(|table| table.inner().get(ATTEMPT)) {
        Some(AMQPValue::LongInt(number)) => usize::try_from(*number).unwrap_or(0),
        _ => 0,
    }
}

fn words(panic: &(dyn std::any::Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("without words")
}
