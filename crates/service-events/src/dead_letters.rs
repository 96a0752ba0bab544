//! Events that were given up: listed, shown and replayed by an operator.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use lapin::types::FieldTable;
use serde::Serialize;
use service_db::Db;
use uuid::Uuid;

use crate::{
    Broker, EventsError,
    broker::{answer, confirming_channel, send},
    schema::dead_letters,
};

/// One given-up message.
#[derive(Debug, Clone, Serialize, Queryable, Selectable)]
#[diesel(table_name = dead_letters, check_for_backend(diesel::pg::Pg))]
pub struct DeadLetter {
    /// Its id in this table.
    pub id: Uuid,
    /// The consumer that gave it up: `<service>.<family>`.
    pub queue: String,
    /// The event's id, when the message was an event at all.
    pub event_id: Option<Uuid>,
    /// The event's name.
    pub name: Option<String>,
    /// `poison`, `retries` or the broker's `delivery_limit`.
    pub reason: String,
    /// The last error's words.
    pub error: Option<String>,
    /// How often it was given up since it was last replayed.
    pub deaths: i32,
    /// When it was first given up.
    pub first_died_at: DateTime<Utc>,
    /// When it was last given up.
    pub died_at: DateTime<Utc>,
    /// When it was replayed; `None` while it waits.
    pub replayed_at: Option<DateTime<Utc>>,
}

/// A given-up message with what it says.
#[derive(Debug, Clone, Serialize)]
pub struct DeadLetterDetail {
    /// The row.
    #[serde(flatten)]
    pub letter: DeadLetter,
    /// The message as JSON, or as text when it is none.
    pub body: serde_json::Value,
}

/// Which dead letters to list.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Only of this consumer.
    pub queue: Option<String>,
    /// Also those already replayed.
    pub replayed: bool,
    /// At most so many, newest first; 0 means 100.
    pub limit: i64,
}

/// Dead letters, newest first.
///
/// # Errors
/// When the database does not answer.
pub async fn list(db: &Db, filter: &Filter) -> Result<Vec<DeadLetter>, EventsError> {
    let mut conn = db.get().await?;
    let mut query = dead_letters::table
        .select(DeadLetter::as_select())
        .into_boxed();
    if let Some(queue) = &filter.queue {
        query = query.filter(dead_letters::queue.eq(queue.clone()));
    }
    if !filter.replayed {
        query = query.filter(dead_letters::replayed_at.is_null());
    }
    let limit = if filter.limit > 0 { filter.limit } else { 100 };
    let rows = query
        .order((dead_letters::died_at.desc(), dead_letters::id.desc()))
        .limit(limit)
        .load(&mut conn)
        .await?;
    Ok(rows)
}

/// One dead letter with its body.
///
/// # Errors
/// [`EventsError::UnknownDeadLetter`], or when the database does not answer.
pub async fn show(db: &Db, id: Uuid) -> Result<DeadLetterDetail, EventsError> {
    let mut conn = db.get().await?;
    let found: Option<(DeadLetter, Vec<u8>)> = dead_letters::table
        .find(id)
        .select((DeadLetter::as_select(), dead_letters::body))
        .first(&mut conn)
        .await
        .optional()?;
    let (letter, body) = found.ok_or(EventsError::UnknownDeadLetter(id))?;
    let body = serde_json::from_slice(&body)
        .unwrap_or_else(|_| serde_json::Value::String(String::from_utf8_lossy(&body).into_owned()));
    Ok(DeadLetterDetail { letter, body })
}

/// Puts a dead letter back at the end of its consumer's queue, with fresh attempts, and marks it
/// replayed once the broker has it. Replaying twice is harmless: the inbox lets one effect through.
///
/// # Errors
/// [`EventsError::UnknownDeadLetter`]; [`EventsError::Unroutable`] when the queue is gone, then the
/// letter stays open; or when database or broker do not answer.
pub async fn replay(
    db: &Db,
    broker: &Broker,
    id: Uuid,
    now: DateTime<Utc>,
) -> Result<(), EventsError> {
    let mut conn = db.get().await?;
    let found: Option<(String, Option<Uuid>, Vec<u8>)> = dead_letters::table
        .find(id)
        .select((
            dead_letters::queue,
            dead_letters::event_id,
            dead_letters::body,
        ))
        .first(&mut conn)
        .await
        .optional()?;
    let (queue, event_id, body) = found.ok_or(EventsError::UnknownDeadLetter(id))?;
    drop(conn);
    let connection = broker.connect("dead-letters").await?;
    let channel = confirming_channel(&connection).await?;
    let message_id = event_id.map(|id| id.to_string().into());
    send(
        &channel,
        "",
        &broker.name(&queue),
        &body,
        message_id,
        FieldTable::default(),
    )
    .await?;
    let _ = answer(connection.close(200, "done".into())).await?;
    let mut conn = db.get().await?;
    diesel::update(dead_letters::table.find(id))
        .set(dead_letters::replayed_at.eq(now))
        .execute(&mut conn)
        .await?;
    Ok(())
}
