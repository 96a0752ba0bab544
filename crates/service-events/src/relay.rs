use std::{collections::HashSet, time::Duration};

use chrono::{DateTime, Utc};
use common_types::events::Envelope;
use diesel::prelude::*;
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl};
use futures_util::StreamExt;
use lapin::{
    BasicProperties, Channel, Confirmation, Connection, PublisherConfirm,
    options::BasicPublishOptions,
    protocol::{AMQPErrorKind, AMQPSoftError},
};
use service_db::{Db, DbError};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::{
    Broker, EventsError, Outbox,
    broker::{Backoff, answer, confirming_channel},
    outbox::CHANNEL,
    schema::outbox_events,
    topology::{Topology, declare_exchange},
};

/// Rows published and confirmed together.
const BATCH: i64 = 200;
/// How long a whole batch may take; below the role's idle-in-transaction limit, because the rows
/// stay locked meanwhile.
const CONFIRM: Duration = Duration::from_secs(5);
/// How often the relay looks without being told.
const POLL: Duration = Duration::from_secs(1);

/// What one batch did.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Published {
    /// Rows the broker has stored.
    pub sent: usize,
    /// Rows that no queue takes; they stay unsent.
    pub returned: usize,
    /// Rows the broker refused; they stay unsent.
    pub refused: usize,
}

/// Moves committed outbox rows to the exchange.
///
/// Several may run, in one process or many. Rows are chosen by their state and never by "the last
/// id": transactions that commit late are found like any other. A relay that dies between publish
/// and mark publishes again; consumers' inboxes make that harmless.
#[derive(Debug, Clone)]
pub struct Relay {
    db: Db,
    broker: Broker,
    unheard: HashSet<&'static str>,
    subscribers: Vec<Topology>,
}

impl Relay {
    /// A relay of the outbox in `db`.
    pub fn new(db: Db, broker: Broker) -> Self {
        Self {
            db,
            broker,
            unheard: HashSet::new(),
            subscribers: Vec::new(),
        }
    }

    /// Queues of whoever consumes what this outbox holds. They are declared before the first event is published, so
    /// that a consumer that has never run yet, or does not run now, misses nothing.
    #[must_use]
    pub fn subscribers(mut self, queues: Vec<Topology>) -> Self {
        self.subscribers = queues;
        self
    }

    /// Names of events that no service consumes yet: they are published even when no queue takes
    /// them. Every other event waits in the outbox until one does; so does one named here that a
    /// subscriber wants after all.
    #[must_use]
    pub fn unheard(mut self, names: &[&'static str]) -> Self {
        self.unheard.extend(names);
        self
    }

    /// Runs until `cancel`, reconnecting by itself.
    pub async fn run(self, outbox: Outbox, cancel: CancellationToken) {
        let mut backoff = Backoff::default();
        while !cancel.is_cancelled() {
            let session = self.session(&outbox, &cancel, &mut backoff);
            if let Err(error) = session.await {
                metrics::counter!("events_relay_reconnects_total").increment(1);
                tracing::warn!(%error, "relay starts again");
                tokio::select! { () = cancel.cancelled() => {}, () = backoff.pause() => {} }
            }
        }
    }

    async fn session(
        &self,
        outbox: &Outbox,
        cancel: &CancellationToken,
        backoff: &mut Backoff,
    ) -> Result<(), EventsError> {
        let connection = self.broker.connect("relay").await?;
        let channel = self.channel(&connection).await?;
        let mut listener = self.db.dedicated().await?;
        diesel::sql_query(format!("LISTEN {CHANNEL}"))
            .execute(&mut listener)
            .await?;
        let mut heard = std::pin::pin!(listener.notifications_stream());
        let outcome = loop {
            match self.drain(&channel).await {
                Ok(()) => backoff.reset(),
                Err(error) => break Err(error),
            }
            tokio::select! {
                () = cancel.cancelled() => break Ok(()),
                () = outbox.woken() => {}
                notification = heard.next() => if !matches!(notification, Some(Ok(_))) {
                    break Err(EventsError::Db(DbError::Connect("listener closed".into())));
                },
                () = tokio::time::sleep(POLL) => {}
            }
        };
        let _ = tokio::time::timeout(CONFIRM, connection.close(200, "done".into())).await;
        outcome
    }

    /// A channel for [`publish_batch`](Self::publish_batch), with the exchange and every subscriber's queue declared.
    ///
    /// # Errors
    /// When the broker refuses.
    pub async fn channel(&self, connection: &Connection) -> Result<Channel, EventsError> {
        let channel = confirming_channel(connection).await?;
        declare_exchange(&self.broker, &channel).await?;
        let mut retries = HashSet::new();
        for queue in &self.subscribers {
            self.declare(connection, queue, &mut retries).await?;
        }
        Ok(channel)
    }

    /// On a channel of its own, which a refusal closes. A queue of other arguments (its service is of another release)
    /// is there, and bound by its own service.
    async fn declare(
        &self,
        connection: &Connection,
        queue: &Topology,
        retries: &mut HashSet<Duration>,
    ) -> Result<(), EventsError> {
        let channel = answer(connection.create_channel()).await??;
        match queue.declare_beside(retries, &self.broker, &channel).await {
            Err(EventsError::Broker(error)) if is_other_arguments(&error) => {
                tracing::warn!(queue = queue.queue, %error, "a subscriber's queue has other arguments");
            }
            declared => {
                declared?;
                let _ = answer(channel.close(200, "done".into())).await?;
            }
        }
        Ok(())
    }

    fn must_be_taken(&self, name: &str) -> bool {
        let wanted = |queue: &Topology| queue.names.contains(&name);
        !self.unheard.contains(name) || self.subscribers.iter().any(wanted)
    }

    /// Publishes until nothing is due.
    async fn drain(&self, channel: &Channel) -> Result<(), EventsError> {
        loop {
            let batch = self.publish_batch(channel).await?;
            if batch.sent + batch.returned + batch.refused < usize::try_from(BATCH).unwrap_or(1) {
                return Ok(());
            }
        }
    }

    /// Publishes at most 200 due rows and marks those that the broker stored.
    ///
    /// The rows stay locked while the broker confirms: the lock ends with this process, so no lease
    /// has to expire before another relay may take over.
    ///
    /// # Errors
    /// When database or broker fail; then no row is marked, and all are published again.
    pub async fn publish_batch(&self, channel: &Channel) -> Result<Published, EventsError> {
        let mut conn = self.db.get().await?;
        conn.transaction(async |conn| {
            let rows = due(conn).await?;
            if rows.is_empty() {
                return Ok(Published::default());
            }
            let answers = tokio::time::timeout(CONFIRM, self.publish_all(channel, &rows))
                .await
                .map_err(|_| EventsError::Timeout(CONFIRM.as_secs()))??;
            mark(conn, &rows, &answers).await
        })
        .await
    }

    /// All rows one after another, then all confirmations: waiting for each would cost a disk sync
    /// of the broker per event.
    async fn publish_all(
        &self,
        channel: &Channel,
        rows: &[OutboxRow],
    ) -> Result<Answers, EventsError> {
        let mut confirms = Vec::with_capacity(rows.len());
        for row in rows {
            confirms.push(self.publish(channel, row).await?);
        }
        let mut answers = Answers::default();
        for (row, confirm) in rows.iter().zip(confirms) {
            let confirmation = confirm.await?;
            if !confirmation.is_ack() {
                answers.refused.insert(row.id);
            }
            // The library hands a returned message to whichever confirmation comes next, so the
            // message itself must say which row it was.
            if let Confirmation::Ack(Some(message)) | Confirmation::Nack(Some(message)) =
                confirmation
            {
                let id = message.delivery.properties.message_id().as_ref();
                if let Some(id) = id.and_then(|id| Uuid::parse_str(id.as_str()).ok()) {
                    answers.returned.insert(id);
                }
            }
        }
        Ok(answers)
    }

    async fn publish(
        &self,
        channel: &Channel,
        row: &OutboxRow,
    ) -> Result<PublisherConfirm, EventsError> {
        let envelope = row.envelope();
        let body = serde_json::to_vec(&envelope).map_err(|error| {
            DbError::from(diesel::result::Error::DeserializationError(error.into()))
        })?;
        let properties = BasicProperties::default()
            .with_delivery_mode(2)
            .with_content_type("application/json".into())
            .with_message_id(row.id.to_string().into())
            .with_type(row.name.as_str().into())
            .with_app_id(row.source.as_str().into());
        let options = BasicPublishOptions {
            mandatory: self.must_be_taken(&row.name),
            ..BasicPublishOptions::default()
        };
        let exchange = self.broker.exchange();
        let published = channel
            .basic_publish(
                exchange.into(),
                row.name.as_str().into(),
                options,
                &body,
                properties,
            )
            .await?;
        Ok(published)
    }
}

/// Whether the broker knows a queue or exchange of that name with other arguments.
fn is_other_arguments(error: &lapin::Error) -> bool {
    matches!(error.kind(), lapin::ErrorKind::ProtocolError(refusal)
        if *refusal.kind() == AMQPErrorKind::Soft(AMQPSoftError::PRECONDITIONFAILED))
}

#[derive(Debug, Default)]
struct Answers {
    refused: HashSet<Uuid>,
    returned: HashSet<Uuid>,
}

#[derive(Debug, Queryable, Selectable)]
#[diesel(table_name = outbox_events, check_for_backend(diesel::pg::Pg))]
struct OutboxRow {
    id: Uuid,
    name: String,
    version: i32,
    source: String,
    aggregate_id: Uuid,
    aggregate_version: i64,
    organization_id: Option<Uuid>,
    payload: serde_json::Value,
    traceparent: Option<String>,
    occurred_at: DateTime<Utc>,
}

impl OutboxRow {
    fn envelope(&self) -> Envelope {
        Envelope {
            id: self.id,
            name: self.name.clone(),
            version: u16::try_from(self.version).unwrap_or(u16::MAX),
            source: self.source.clone(),
            occurred_at: self.occurred_at,
            organization_id: self.organization_id,
            aggregate_id: self.aggregate_id,
            aggregate_version: self.aggregate_version,
            traceparent: self.traceparent.clone(),
            payload: self.payload.clone(),
        }
    }
}

async fn due(conn: &mut AsyncPgConnection) -> QueryResult<Vec<OutboxRow>> {
    outbox_events::table
        .filter(outbox_events::published_at.is_null())
        .filter(outbox_events::available_at.le(diesel::dsl::now))
        .order((outbox_events::available_at, outbox_events::id))
        .limit(BATCH)
        .for_update()
        .skip_locked()
        .select(OutboxRow::as_select())
        .load(conn)
        .await
}

async fn mark(
    conn: &mut AsyncPgConnection,
    rows: &[OutboxRow],
    answers: &Answers,
) -> Result<Published, EventsError> {
    let kept = |id: &Uuid| answers.refused.contains(id) || answers.returned.contains(id);
    let sent: Vec<Uuid> = rows
        .iter()
        .map(|row| row.id)
        .filter(|id| !kept(id))
        .collect();
    diesel::update(outbox_events::table.filter(outbox_events::id.eq_any(&sent)))
        .set(outbox_events::published_at.eq(diesel::dsl::now))
        .execute(conn)
        .await?;
    metrics::counter!("events_published_total").increment(sent.len() as u64);
    for (ids, error) in [
        (&answers.returned, "unroutable"),
        (&answers.refused, "refused"),
    ] {
        if ids.is_empty() {
            continue;
        }
        metrics::counter!("events_unpublishable_total", "reason" => error)
            .increment(ids.len() as u64);
        let names: HashSet<&str> = rows
            .iter()
            .filter(|row| ids.contains(&row.id))
            .map(|row| row.name.as_str())
            .collect();
        tracing::error!(
            alarm = "events.unpublishable",
            reason = error,
            count = ids.len(),
            ?names,
            "events stay in the outbox: the broker does not take them"
        );
        put_off(conn, ids, error).await?;
    }
    Ok(Published {
        sent: sent.len(),
        returned: answers.returned.len(),
        refused: answers.refused.len(),
    })
}

/// Tries them again after 1, 2, 4 … at most 60 seconds, so that they do not keep others waiting.
async fn put_off(
    conn: &mut AsyncPgConnection,
    ids: &HashSet<Uuid>,
    error: &str,
) -> QueryResult<usize> {
    use diesel::sql_types::{Array, Text, Uuid as SqlUuid};
    let ids: Vec<Uuid> = ids.iter().copied().collect();
    diesel::sql_query(
        "UPDATE outbox_events SET attempts = attempts + 1, last_error = $1, \
         available_at = now() + make_interval(secs => least(60, power(2, least(attempts, 6)))) \
         WHERE id = ANY($2)",
    )
    .bind::<Text, _>(error)
    .bind::<Array<SqlUuid>, _>(ids)
    .execute(conn)
    .await
}
