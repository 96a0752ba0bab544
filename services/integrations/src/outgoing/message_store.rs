//! Reading messages, deliveries, tries and statistics.

use chrono::{DateTime, Utc};
use diesel::{
    prelude::*,
    sql_types::{BigInt, Float8, Nullable, Text, Timestamptz, Uuid as SqlUuid},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use super::endpoint_store::Owner;
use crate::schema::{outgoing_attempts, outgoing_deliveries, outgoing_messages};

/// A message on the wire.
#[derive(Clone, Debug, Queryable, Selectable, Serialize, ToSchema)]
#[diesel(table_name = outgoing_messages)]
pub(crate) struct MessageRow {
    pub(crate) id: Uuid,
    pub(crate) organization_id: Option<Uuid>,
    pub(crate) event_type: String,
    pub(crate) ordering_key: String,
    #[schema(value_type = Object)]
    pub(crate) data: Value,
    pub(crate) occurred_at: DateTime<Utc>,
    pub(crate) created_at: DateTime<Utc>,
}

fn boxed<'a>(owner: Owner) -> outgoing_messages::BoxedQuery<'a, diesel::pg::Pg> {
    let query = outgoing_messages::table.into_boxed();
    match owner {
        Owner::Platform => query,
        Owner::Organization(id) => query.filter(outgoing_messages::organization_id.eq(id)),
    }
}

/// Which messages.
#[derive(Clone, Debug, Default)]
pub(crate) struct MessageFilter {
    pub(crate) event_type: Option<String>,
    pub(crate) ordering_key: Option<String>,
    pub(crate) since: Option<DateTime<Utc>>,
    pub(crate) until: Option<DateTime<Utc>>,
}

pub(crate) async fn list_messages(
    conn: &mut AsyncPgConnection,
    owner: Owner,
    filter: &MessageFilter,
    offset: i64,
    limit: i64,
) -> QueryResult<(i64, Vec<MessageRow>)> {
    let selected = || {
        let mut query = boxed(owner);
        if let Some(event_type) = &filter.event_type {
            query = query.filter(outgoing_messages::event_type.eq(event_type.clone()));
        }
        if let Some(key) = &filter.ordering_key {
            query = query.filter(outgoing_messages::ordering_key.eq(key.clone()));
        }
        if let Some(since) = filter.since {
            query = query.filter(outgoing_messages::created_at.ge(since));
        }
        if let Some(until) = filter.until {
            query = query.filter(outgoing_messages::created_at.lt(until));
        }
        query
    };
    let count = selected().count().get_result(conn).await?;
    let rows = selected()
        .order((
            outgoing_messages::created_at.desc(),
            outgoing_messages::id.desc(),
        ))
        .offset(offset)
        .limit(limit)
        .select(MessageRow::as_select())
        .load(conn)
        .await?;
    Ok((count, rows))
}

pub(crate) async fn find_message(
    conn: &mut AsyncPgConnection,
    owner: Owner,
    id: Uuid,
) -> QueryResult<Option<MessageRow>> {
    boxed(owner)
        .filter(outgoing_messages::id.eq(id))
        .select(MessageRow::as_select())
        .first(conn)
        .await
        .optional()
}

/// The message of an event, by the event's id.
pub(crate) async fn find_message_of_event(
    conn: &mut AsyncPgConnection,
    event: Uuid,
) -> QueryResult<Option<MessageRow>> {
    outgoing_messages::table
        .filter(outgoing_messages::source_event_id.eq(event))
        .select(MessageRow::as_select())
        .first(conn)
        .await
        .optional()
}

/// A delivery on the wire.
#[derive(Clone, Debug, Queryable, Serialize, ToSchema)]
pub(crate) struct DeliveryRow {
    pub(crate) id: Uuid,
    pub(crate) message_id: Uuid,
    pub(crate) endpoint_id: Uuid,
    pub(crate) event_type: String,
    pub(crate) ordering_key: String,
    pub(crate) sequence: i64,
    /// `pending`, `sending`, `delivered` or `failed`.
    pub(crate) state: String,
    pub(crate) attempts: i32,
    /// When it is tried next.
    pub(crate) due_at: Option<DateTime<Utc>>,
    pub(crate) last_status: Option<i32>,
    pub(crate) last_error: Option<String>,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) finished_at: Option<DateTime<Utc>>,
}

type DeliveryColumns = (
    outgoing_deliveries::id,
    outgoing_deliveries::message_id,
    outgoing_deliveries::endpoint_id,
    outgoing_messages::event_type,
    outgoing_deliveries::ordering_key,
    outgoing_deliveries::sequence,
    outgoing_deliveries::state,
    outgoing_deliveries::attempts,
    outgoing_deliveries::due_at,
    outgoing_deliveries::last_status,
    outgoing_deliveries::last_error,
    outgoing_deliveries::created_at,
    outgoing_deliveries::finished_at,
);
const DELIVERY: DeliveryColumns = (
    outgoing_deliveries::id,
    outgoing_deliveries::message_id,
    outgoing_deliveries::endpoint_id,
    outgoing_messages::event_type,
    outgoing_deliveries::ordering_key,
    outgoing_deliveries::sequence,
    outgoing_deliveries::state,
    outgoing_deliveries::attempts,
    outgoing_deliveries::due_at,
    outgoing_deliveries::last_status,
    outgoing_deliveries::last_error,
    outgoing_deliveries::created_at,
    outgoing_deliveries::finished_at,
);

/// Deliveries of an endpoint that the caller was found to own, newest first.
pub(crate) async fn list_deliveries_for_endpoint(
    conn: &mut AsyncPgConnection,
    endpoint_id: Uuid,
    state: Option<&str>,
    offset: i64,
    limit: i64,
) -> QueryResult<(i64, Vec<DeliveryRow>)> {
    let selected = || {
        let mut query = outgoing_deliveries::table
            .inner_join(
                outgoing_messages::table
                    .on(outgoing_deliveries::message_id.eq(outgoing_messages::id)),
            )
            .filter(outgoing_deliveries::endpoint_id.eq(endpoint_id))
            .into_boxed::<diesel::pg::Pg>();
        if let Some(state) = state {
            query = query.filter(outgoing_deliveries::state.eq(state.to_owned()));
        }
        query
    };
    let count = selected().count().get_result(conn).await?;
    let rows = selected()
        .order((
            outgoing_deliveries::created_at.desc(),
            outgoing_deliveries::id.desc(),
        ))
        .offset(offset)
        .limit(limit)
        .select(DELIVERY)
        .load(conn)
        .await?;
    Ok((count, rows))
}

/// Deliveries of a message that the caller was found to own.
pub(crate) async fn list_deliveries_for_message(
    conn: &mut AsyncPgConnection,
    message_id: Uuid,
) -> QueryResult<Vec<DeliveryRow>> {
    outgoing_deliveries::table
        .inner_join(
            outgoing_messages::table.on(outgoing_deliveries::message_id.eq(outgoing_messages::id)),
        )
        .filter(outgoing_deliveries::message_id.eq(message_id))
        .order(outgoing_deliveries::endpoint_id)
        .limit(1_000)
        .select(DELIVERY)
        .load(conn)
        .await
}

/// A try on the wire.
#[derive(Clone, Debug, Queryable, Selectable, Serialize, ToSchema)]
#[diesel(table_name = outgoing_attempts)]
pub(crate) struct AttemptRow {
    pub(crate) id: Uuid,
    pub(crate) endpoint_id: Uuid,
    pub(crate) number: i32,
    /// `delivered` or `failed`.
    pub(crate) outcome: String,
    pub(crate) status_code: Option<i32>,
    /// `status`, `redirect`, `timeout`, `unreachable`, `connection_lost` or `forbidden_address`.
    pub(crate) error: Option<String>,
    pub(crate) duration_ms: i32,
    pub(crate) attempted_at: DateTime<Utc>,
}

/// Tries of a message that the caller was found to own, oldest first.
pub(crate) async fn list_attempts_for_message(
    conn: &mut AsyncPgConnection,
    message_id: Uuid,
    offset: i64,
    limit: i64,
) -> QueryResult<(i64, Vec<AttemptRow>)> {
    let count = outgoing_attempts::table
        .filter(outgoing_attempts::message_id.eq(message_id))
        .count()
        .get_result(conn)
        .await?;
    let rows = outgoing_attempts::table
        .filter(outgoing_attempts::message_id.eq(message_id))
        .order((outgoing_attempts::attempted_at, outgoing_attempts::id))
        .offset(offset)
        .limit(limit)
        .select(AttemptRow::as_select())
        .load(conn)
        .await?;
    Ok((count, rows))
}

/// What became of an endpoint's deliveries since a time.
#[derive(Clone, Debug, QueryableByName, Serialize, ToSchema)]
pub(crate) struct EndpointStatistics {
    #[diesel(sql_type = BigInt)]
    pub(crate) deliveries: i64,
    #[diesel(sql_type = BigInt)]
    pub(crate) delivered: i64,
    #[diesel(sql_type = BigInt)]
    pub(crate) failed: i64,
    #[diesel(sql_type = BigInt)]
    pub(crate) open: i64,
    #[diesel(sql_type = BigInt)]
    pub(crate) attempts: i64,
    /// Median duration of the tries that arrived, in milliseconds.
    #[diesel(sql_type = Nullable<Float8>)]
    pub(crate) median_ms: Option<f64>,
    /// 95th percentile of the same.
    #[diesel(sql_type = Nullable<Float8>)]
    pub(crate) p95_ms: Option<f64>,
}

pub(crate) async fn get_statistics(
    conn: &mut AsyncPgConnection,
    endpoint_id: Uuid,
    since: DateTime<Utc>,
) -> QueryResult<EndpointStatistics> {
    diesel::sql_query(
        "SELECT d.*, a.* FROM (SELECT count(*) AS deliveries, count(*) FILTER (WHERE state = 'delivered') AS delivered, \
         count(*) FILTER (WHERE state = 'failed') AS failed, count(*) FILTER (WHERE due_at IS NOT NULL) AS open \
         FROM outgoing_deliveries WHERE endpoint_id = $1 AND created_at >= $2) d, \
         (SELECT count(*) AS attempts, percentile_cont(0.5) WITHIN GROUP (ORDER BY duration_ms) FILTER (WHERE outcome = $3) AS median_ms, \
         percentile_cont(0.95) WITHIN GROUP (ORDER BY duration_ms) FILTER (WHERE outcome = $3) AS p95_ms \
         FROM outgoing_attempts WHERE endpoint_id = $1 AND attempted_at >= $2) a",
    )
    .bind::<SqlUuid, _>(endpoint_id)
    .bind::<Timestamptz, _>(since)
    .bind::<Text, _>("delivered")
    .get_result(conn)
    .await
}
