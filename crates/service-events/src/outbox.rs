//! Events that commit together with the state they tell of.

use std::{sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use common_types::events::Event;
use diesel::{prelude::*, result::Error as DieselError};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
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
    let id = Uuid::now_v7();
    let payload = serde_json::to_value(event)
        .map_err(|error| DieselError::SerializationError(Box::new(error)))?;
    diesel::insert_into(outbox_events::table)
        .values((
            outbox_events::id.eq(id),
            outbox_events::name.eq(E::NAME),
            outbox_events::version.eq(i32::from(E::VERSION)),
            outbox_events::source.eq(source),
            outbox_events::aggregate_id.eq(event.aggregate_id()),
            outbox_events::aggregate_version.eq(event.aggregate_version()),
            outbox_events::organization_id.eq(event.organization_id()),
            outbox_events::payload.eq(payload),
            outbox_events::traceparent.eq(service_telemetry::current_traceparent()),
            outbox_events::occurred_at.eq(now),
        ))
        .execute(conn)
        .await?;
    Ok(id)
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
