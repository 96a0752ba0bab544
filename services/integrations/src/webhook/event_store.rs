//! Events.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde_json::Value;
use uuid::Uuid;

use crate::schema::{providers, webhook_endpoints, webhook_events};

/// A new event.
#[derive(Debug, Clone, Insertable)]
#[diesel(table_name = webhook_events)]
pub(crate) struct NewEvent {
    pub(crate) id: Uuid,
    pub(crate) endpoint_id: Uuid,
    pub(crate) organization_id: Option<Uuid>,
    pub(crate) dedupe_key: String,
    pub(crate) event_type: String,
    pub(crate) raw_body: Vec<u8>,
    pub(crate) headers: Value,
    pub(crate) signature: String,
    pub(crate) is_valid: bool,
    pub(crate) error_message: String,
    pub(crate) received_at: DateTime<Utc>,
    pub(crate) retry_at: Option<DateTime<Utc>>,
    pub(crate) is_processed: bool,
    pub(crate) processed_at: Option<DateTime<Utc>>,
    pub(crate) version: i64,
}

/// The version of an event that was stored and handed on at once.
pub(crate) const HANDED_ON: i64 = 2;

impl NewEvent {
    /// The same event, handed on by the transaction that stores it.
    pub(crate) fn handed_on(self, now: DateTime<Utc>) -> Self {
        Self {
            is_processed: true,
            processed_at: Some(now),
            version: HANDED_ON,
            ..self
        }
    }
}

/// What is stored of an event.
#[derive(Debug, Clone, Queryable)]
pub(crate) struct StoredEvent {
    pub(crate) id: Uuid,
    pub(crate) endpoint_id: Uuid,
    pub(crate) event_type: String,
    pub(crate) raw_body: Vec<u8>,
    pub(crate) is_valid: bool,
    pub(crate) is_processed: bool,
    pub(crate) retry_count: i32,
    pub(crate) received_at: DateTime<Utc>,
}

type StoredColumns = (
    webhook_events::id,
    webhook_events::endpoint_id,
    webhook_events::event_type,
    webhook_events::raw_body,
    webhook_events::is_valid,
    webhook_events::is_processed,
    webhook_events::retry_count,
    webhook_events::received_at,
);
const STORED: StoredColumns = (
    webhook_events::id,
    webhook_events::endpoint_id,
    webhook_events::event_type,
    webhook_events::raw_body,
    webhook_events::is_valid,
    webhook_events::is_processed,
    webhook_events::retry_count,
    webhook_events::received_at,
);

/// Stores an event, or counts a copy of a known one. The row comes back locked; the flag says whether it is new.
pub(crate) async fn insert_or_lock_event(
    conn: &mut AsyncPgConnection,
    new: NewEvent,
) -> QueryResult<(StoredEvent, bool)> {
    let (endpoint_id, key) = (new.endpoint_id, new.dedupe_key.clone());
    let inserted: Option<StoredEvent> = diesel::insert_into(webhook_events::table)
        .values(new)
        .on_conflict_do_nothing()
        .returning(STORED)
        .get_result(conn)
        .await
        .optional()?;
    if let Some(event) = inserted {
        return Ok((event, true));
    }
    let event = diesel::update(
        webhook_events::table
            .filter(webhook_events::endpoint_id.eq(endpoint_id))
            .filter(webhook_events::dedupe_key.eq(key)),
    )
    .set(webhook_events::duplicates.eq(webhook_events::duplicates + 1))
    .returning(STORED)
    .get_result(conn)
    .await?;
    Ok((event, false))
}

pub(crate) async fn lock_event(
    conn: &mut AsyncPgConnection,
    id: Uuid,
) -> QueryResult<Option<StoredEvent>> {
    webhook_events::table
        .find(id)
        .select(STORED)
        .for_update()
        .first(conn)
        .await
        .optional()
}

/// Marks an event as handed on; answers its new version.
pub(crate) async fn update_processed(
    conn: &mut AsyncPgConnection,
    id: Uuid,
    retried: bool,
    now: DateTime<Utc>,
) -> QueryResult<i64> {
    diesel::update(webhook_events::table.find(id))
        .set((
            webhook_events::is_processed.eq(true),
            webhook_events::processed_at.eq(Some(now)),
            webhook_events::error_message.eq(""),
            webhook_events::retry_at.eq(None::<DateTime<Utc>>),
            webhook_events::retry_count.eq(webhook_events::retry_count + i32::from(retried)),
            webhook_events::version.eq(webhook_events::version + 1),
        ))
        .returning(webhook_events::version)
        .get_result(conn)
        .await
}

pub(crate) async fn update_failed(
    conn: &mut AsyncPgConnection,
    id: Uuid,
    error: &str,
    retry_at: Option<DateTime<Utc>>,
) -> QueryResult<i32> {
    diesel::update(webhook_events::table.find(id))
        .set((
            webhook_events::error_message.eq(error),
            webhook_events::retry_at.eq(retry_at),
            webhook_events::retry_count.eq(webhook_events::retry_count + 1),
        ))
        .returning(webhook_events::retry_count)
        .get_result(conn)
        .await
}

/// Events that are looked at again now, longest due first.
pub(crate) async fn list_due(
    conn: &mut AsyncPgConnection,
    now: DateTime<Utc>,
    limit: i64,
) -> QueryResult<Vec<Uuid>> {
    webhook_events::table
        .filter(webhook_events::retry_at.le(now))
        .order(webhook_events::retry_at)
        .limit(limit)
        .select(webhook_events::id)
        .load(conn)
        .await
}

/// An event as read for the list.
#[derive(Debug, Queryable)]
pub(crate) struct EventRow {
    pub(crate) id: Uuid,
    pub(crate) webhook: Uuid,
    pub(crate) webhook_name: String,
    pub(crate) provider_name: String,
    pub(crate) event_type: String,
    pub(crate) raw_body: Vec<u8>,
    pub(crate) headers: Value,
    pub(crate) signature: String,
    pub(crate) is_valid: bool,
    pub(crate) is_processed: bool,
    pub(crate) processed_at: Option<DateTime<Utc>>,
    pub(crate) error_message: String,
    pub(crate) retry_count: i32,
    pub(crate) received_at: DateTime<Utc>,
}

/// Which events.
#[derive(Debug, Default)]
pub(crate) struct EventFilter {
    pub(crate) organization_id: Option<Uuid>,
    pub(crate) webhook: Option<Uuid>,
    pub(crate) processed: Option<bool>,
    pub(crate) valid: Option<bool>,
    pub(crate) since: Option<DateTime<Utc>>,
    pub(crate) id: Option<Uuid>,
}

pub(crate) async fn list_events(
    conn: &mut AsyncPgConnection,
    filter: &EventFilter,
    offset: i64,
    limit: i64,
) -> QueryResult<(i64, Vec<EventRow>)> {
    let selected = || {
        let mut query = webhook_events::table
            .inner_join(
                webhook_endpoints::table.on(webhook_events::endpoint_id.eq(webhook_endpoints::id)),
            )
            .inner_join(providers::table.on(webhook_endpoints::provider_id.eq(providers::id)))
            .into_boxed::<diesel::pg::Pg>();
        if let Some(organization) = filter.organization_id {
            query = query.filter(webhook_events::organization_id.eq(organization));
        }
        if let Some(webhook) = filter.webhook {
            query = query.filter(webhook_events::endpoint_id.eq(webhook));
        }
        if let Some(processed) = filter.processed {
            query = query.filter(webhook_events::is_processed.eq(processed));
        }
        if let Some(valid) = filter.valid {
            query = query.filter(webhook_events::is_valid.eq(valid));
        }
        if let Some(id) = filter.id {
            query = query.filter(webhook_events::id.eq(id));
        }
        if let Some(since) = filter.since {
            query = query.filter(webhook_events::received_at.ge(since));
        }
        query
    };
    let count = selected().count().get_result(conn).await?;
    let rows = selected()
        .order((
            webhook_events::received_at.desc(),
            webhook_events::id.desc(),
        ))
        .offset(offset)
        .limit(limit)
        .select((
            webhook_events::id,
            webhook_events::endpoint_id,
            webhook_endpoints::name,
            providers::name,
            webhook_events::event_type,
            webhook_events::raw_body,
            webhook_events::headers,
            webhook_events::signature,
            webhook_events::is_valid,
            webhook_events::is_processed,
            webhook_events::processed_at,
            webhook_events::error_message,
            webhook_events::retry_count,
            webhook_events::received_at,
        ))
        .load(conn)
        .await?;
    Ok((count, rows))
}
