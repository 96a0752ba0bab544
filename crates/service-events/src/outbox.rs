//! Events that commit together with the state they tell of.

use std::{sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use common_types::events::Event;
use diesel::{prelude::*, result::Error as DieselError};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde_json::Value;
use service_db::Db;
use tokio::sync::Notify;
use uuid::Uuid;

use crate::schema::outbox_events;

/// The channel on which processes of one service tell each other of new rows.
pub(crate) const CHANNEL: &str = "tabib_outbox";
/// The shortest time between two notifications of one process.
const DEBOUNCE: Duration = Duration::from_millis(10);

/// Writes `event` into the outbox, in the caller's transaction. `source` is the service's name,
/// `now` the time the event happened. After the commit call [`Outbox::wake`].
///
/// The current trace context goes along, so that consumers continue the trace.
///
/// # Errors
/// When the database refuses, or the event cannot be written as JSON.
pub async fn emit<E: Event>(
    conn: &mut AsyncPgConnection,
    source: &str,
    event: &E,
    now: DateTime<Utc>,
) -> QueryResult<Uuid> {
    let event = NewEvent::of(source, event, now)?;
    let id = event.id;
    emit_all(conn, vec![event]).await?;
    Ok(id)
}

/// Writes events into the outbox by one statement, in the caller's transaction; see [`emit`].
///
/// # Errors
/// When the database refuses; then none is written.
pub async fn emit_all(conn: &mut AsyncPgConnection, events: Vec<NewEvent>) -> QueryResult<()> {
    if events.is_empty() {
        return Ok(());
    }
    let insert = diesel::insert_into(outbox_events::table);
    // One is the rule: of that shape the statement stays prepared.
    match <[NewEvent; 1]>::try_from(events) {
        Ok([event]) => insert.values(event).execute(conn).await?,
        Err(events) => insert.values(events).execute(conn).await?,
    };
    Ok(())
}

/// An event as it stands in the outbox.
#[derive(Debug, Insertable)]
#[diesel(table_name = outbox_events, treat_none_as_default_value = false)]
pub struct NewEvent {
    id: Uuid,
    name: &'static str,
    version: i32,
    source: String,
    aggregate_id: Uuid,
    aggregate_version: i64,
    organization_id: Option<Uuid>,
    payload: Value,
    traceparent: Option<String>,
    occurred_at: DateTime<Utc>,
}

impl NewEvent {
    /// `event` as `source` tells it at `now`, under the trace context that is current here.
    ///
    /// # Errors
    /// When the event cannot be written as JSON.
    pub fn of<E: Event>(source: &str, event: &E, now: DateTime<Utc>) -> QueryResult<Self> {
        Ok(Self {
            id: Uuid::now_v7(),
            name: E::NAME,
            version: i32::from(E::VERSION),
            source: source.to_owned(),
            aggregate_id: event.aggregate_id(),
            aggregate_version: event.aggregate_version(),
            organization_id: event.organization_id(),
            payload: serde_json::to_value(event)
                .map_err(|error| DieselError::SerializationError(Box::new(error)))?,
            traceparent: service_telemetry::current_traceparent(),
            occurred_at: now,
        })
    }
}

/// Tells relays, in this process and in others, that rows were committed. Cheap to clone and call.
#[derive(Clone, Debug)]
pub struct Outbox {
    local: Arc<Notify>,
    others: Arc<Notify>,
}

impl Outbox {
    /// Starts the task that tells other processes. It ends when the last handle is dropped.
    pub fn new(db: Db) -> Self {
        let outbox = Self {
            local: Arc::default(),
            others: Arc::default(),
        };
        let others = Arc::downgrade(&outbox.others);
        tokio::spawn(async move {
            loop {
                let Some(notify) = others.upgrade() else {
                    return;
                };
                // The strong handle must not keep the task alive, hence the bounded wait.
                let woken = tokio::time::timeout(Duration::from_secs(1), notify.notified()).await;
                drop(notify);
                if woken.is_ok() {
                    if let Err(error) = tell_others(&db).await {
                        tracing::debug!(%error, "relays not notified; they poll");
                    }
                    tokio::time::sleep(DEBOUNCE).await;
                }
            }
        });
        outbox
    }

    /// Call after the commit of a transaction that emitted. Calls in quick succession cost one
    /// notification. Never inside a transaction: NOTIFY serialises commits.
    pub fn wake(&self) {
        self.local.notify_one();
        self.others.notify_one();
    }

    /// Resolves when this process committed events.
    pub(crate) async fn woken(&self) {
        self.local.notified().await;
    }
}

async fn tell_others(db: &Db) -> Result<(), service_db::DbError> {
    let mut conn = db.get().await?;
    diesel::sql_query(format!("NOTIFY {CHANNEL}"))
        .execute(&mut conn)
        .await?;
    Ok(())
}
