//! Messages and deliveries: made once, leased, finished.

use chrono::{DateTime, TimeDelta, Utc};
use diesel::{
    prelude::*,
    sql_types::{Array, BigInt, Jsonb, Nullable, Text, Timestamptz, Uuid as SqlUuid},
    upsert::excluded,
};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde_json::Value;
use uuid::Uuid;

use crate::schema::{
    outgoing_attempts, outgoing_deliveries, outgoing_endpoints, outgoing_messages, outgoing_streams,
};

/// What a delivery that could not be tried is marked with.
pub(crate) const ENDPOINT_DISABLED: &str = "endpoint_disabled";

/// A new message.
#[derive(Clone, Debug, Insertable)]
#[diesel(table_name = outgoing_messages)]
pub(crate) struct NewMessage {
    pub(crate) id: Uuid,
    pub(crate) organization_id: Option<Uuid>,
    pub(crate) event_type: String,
    pub(crate) source_event_id: Option<Uuid>,
    pub(crate) ordering_key: String,
    pub(crate) data: Value,
    pub(crate) occurred_at: DateTime<Utc>,
    pub(crate) created_at: DateTime<Utc>,
}

/// The organisation's endpoints that want a type, with whether they are on, in one order for every transaction.
pub(crate) async fn list_subscribers(
    conn: &mut AsyncPgConnection,
    organization: Option<Uuid>,
    event_type: &str,
) -> QueryResult<Vec<(Uuid, bool)>> {
    let mut query = outgoing_endpoints::table.into_boxed::<diesel::pg::Pg>();
    query = match organization {
        Some(id) => query.filter(outgoing_endpoints::organization_id.eq(id)),
        None => query.filter(outgoing_endpoints::organization_id.is_null()),
    };
    query
        .filter(
            outgoing_endpoints::event_types
                .eq(Vec::<String>::new())
                .or(outgoing_endpoints::event_types.contains(vec![event_type])),
        )
        .order(outgoing_endpoints::id)
        .select((outgoing_endpoints::id, outgoing_endpoints::is_active))
        .load(conn)
        .await
}

/// Inserts a message unless its event has one already; answers whether it is new.
pub(crate) async fn insert_message(
    conn: &mut AsyncPgConnection,
    new: NewMessage,
) -> QueryResult<bool> {
    let inserted = diesel::insert_into(outgoing_messages::table)
        .values(new)
        .on_conflict(outgoing_messages::source_event_id)
        .do_nothing()
        .execute(conn)
        .await?;
    Ok(inserted == 1)
}

/// Queues a message for an endpoint under the next number of its stream. Where the endpoint is off, the delivery has
/// failed already and `recover` finds it.
pub(crate) async fn insert_delivery(
    conn: &mut AsyncPgConnection,
    message_id: Uuid,
    ordering_key: &str,
    endpoint_id: Uuid,
    is_active: bool,
    now: DateTime<Utc>,
) -> QueryResult<()> {
    let sequence: i64 = diesel::insert_into(outgoing_streams::table)
        .values((
            outgoing_streams::endpoint_id.eq(endpoint_id),
            outgoing_streams::ordering_key.eq(ordering_key),
            outgoing_streams::last_sequence.eq(1),
            outgoing_streams::updated_at.eq(now),
        ))
        .on_conflict((
            outgoing_streams::endpoint_id,
            outgoing_streams::ordering_key,
        ))
        .do_update()
        .set((
            outgoing_streams::last_sequence.eq(outgoing_streams::last_sequence + 1),
            outgoing_streams::updated_at.eq(excluded(outgoing_streams::updated_at)),
        ))
        .returning(outgoing_streams::last_sequence)
        .get_result(conn)
        .await?;
    diesel::insert_into(outgoing_deliveries::table)
        .values((
            outgoing_deliveries::id.eq(Uuid::now_v7()),
            outgoing_deliveries::message_id.eq(message_id),
            outgoing_deliveries::endpoint_id.eq(endpoint_id),
            outgoing_deliveries::ordering_key.eq(ordering_key),
            outgoing_deliveries::sequence.eq(sequence),
            outgoing_deliveries::state.eq(if is_active { "pending" } else { "failed" }),
            outgoing_deliveries::due_at.eq(is_active.then_some(now)),
            outgoing_deliveries::last_error.eq((!is_active).then_some(ENDPOINT_DISABLED)),
            outgoing_deliveries::finished_at.eq((!is_active).then_some(now)),
            outgoing_deliveries::created_at.eq(now),
        ))
        .execute(conn)
        .await
        .map(|_| ())
}

/// A delivery at hand, with all that posting it needs but the keys.
#[derive(Clone, Debug, QueryableByName)]
pub(crate) struct Job {
    #[diesel(sql_type = SqlUuid)]
    pub(crate) id: Uuid,
    #[diesel(sql_type = BigInt)]
    pub(crate) lease: i64,
    #[diesel(sql_type = diesel::sql_types::Int4)]
    pub(crate) attempts: i32,
    #[diesel(sql_type = BigInt)]
    pub(crate) sequence: i64,
    #[diesel(sql_type = SqlUuid)]
    pub(crate) message_id: Uuid,
    #[diesel(sql_type = Text)]
    pub(crate) event_type: String,
    #[diesel(sql_type = Text)]
    pub(crate) ordering_key: String,
    #[diesel(sql_type = Jsonb)]
    pub(crate) data: Value,
    #[diesel(sql_type = Timestamptz)]
    pub(crate) occurred_at: DateTime<Utc>,
    #[diesel(sql_type = SqlUuid)]
    pub(crate) endpoint_id: Uuid,
    #[diesel(sql_type = Text)]
    pub(crate) url: String,
    #[diesel(sql_type = diesel::sql_types::Int4)]
    pub(crate) timeout_seconds: i32,
}

/// Longest try with all around it: after that another worker may take the delivery.
const LEASE: TimeDelta = TimeDelta::seconds(90);

/// Takes what is due, at most `batch` in all and `per_endpoint` at a time for one endpoint, so that a slow receiver
/// holds up nobody else. An ordered endpoint gets the first of each stream only.
pub(crate) async fn lease_due(
    conn: &mut AsyncPgConnection,
    now: DateTime<Utc>,
    batch: i64,
    per_endpoint: i64,
) -> QueryResult<Vec<Job>> {
    diesel::sql_query(
        "WITH due AS (SELECT d.id FROM outgoing_endpoints e CROSS JOIN LATERAL ( \
           SELECT d.id, d.due_at FROM outgoing_deliveries d WHERE d.endpoint_id = e.id AND d.due_at <= $1 \
           AND (NOT e.ordered OR NOT EXISTS (SELECT 1 FROM outgoing_deliveries x WHERE x.endpoint_id = d.endpoint_id \
             AND x.ordering_key = d.ordering_key AND x.sequence < d.sequence AND x.due_at IS NOT NULL)) \
           ORDER BY d.due_at, d.id LIMIT greatest($3 - (SELECT count(*) FROM outgoing_deliveries s \
             WHERE s.endpoint_id = e.id AND s.state = 'sending' AND s.due_at > $1), 0) \
           FOR UPDATE OF d SKIP LOCKED) d \
         WHERE e.is_active AND (e.paused_until IS NULL OR e.paused_until <= $1) ORDER BY d.due_at LIMIT $2), \
         taken AS (UPDATE outgoing_deliveries SET state = 'sending', attempts = attempts + 1, lease = lease + 1, due_at = $4 \
           WHERE id IN (SELECT id FROM due) RETURNING *) \
         SELECT t.id, t.lease, t.attempts, t.sequence, t.message_id, m.event_type, m.ordering_key, m.data, m.occurred_at, \
           t.endpoint_id, e.url, e.timeout_seconds FROM taken t JOIN outgoing_messages m ON m.id = t.message_id \
           JOIN outgoing_endpoints e ON e.id = t.endpoint_id ORDER BY t.created_at, t.id",
    )
    .bind::<Timestamptz, _>(now)
    .bind::<BigInt, _>(batch)
    .bind::<BigInt, _>(per_endpoint)
    .bind::<Timestamptz, _>(now + LEASE)
    .load(conn)
    .await
}

/// What a try came to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Attempt {
    pub(crate) status_code: Option<i32>,
    /// `None`: it was taken.
    pub(crate) error: Option<&'static str>,
    pub(crate) duration_ms: i32,
}

/// Notes a try and moves its delivery on: `next` is when it is tried again. Answers false when the lease had ended; the
/// try is noted all the same.
pub(crate) async fn finish_attempt(
    conn: &mut AsyncPgConnection,
    job: &Job,
    attempt: Attempt,
    next: Option<DateTime<Utc>>,
    now: DateTime<Utc>,
) -> QueryResult<bool> {
    let outcome = if attempt.error.is_none() {
        "delivered"
    } else {
        "failed"
    };
    diesel::insert_into(outgoing_attempts::table)
        .values((
            outgoing_attempts::id.eq(Uuid::now_v7()),
            outgoing_attempts::delivery_id.eq(job.id),
            outgoing_attempts::message_id.eq(job.message_id),
            outgoing_attempts::endpoint_id.eq(job.endpoint_id),
            outgoing_attempts::number.eq(job.attempts),
            outgoing_attempts::outcome.eq(outcome),
            outgoing_attempts::status_code.eq(attempt.status_code),
            outgoing_attempts::error.eq(attempt.error),
            outgoing_attempts::duration_ms.eq(attempt.duration_ms),
            outgoing_attempts::attempted_at.eq(now),
        ))
        .execute(conn)
        .await?;
    let changed = diesel::update(
        outgoing_deliveries::table
            .find(job.id)
            .filter(outgoing_deliveries::lease.eq(job.lease))
            // What arrived has arrived, even if the endpoint was switched off meanwhile.
            .filter(
                outgoing_deliveries::state.eq("sending").or(attempt
                    .error
                    .is_none()
                    .into_sql::<diesel::sql_types::Bool>()),
            ),
    )
    .set((
        outgoing_deliveries::state.eq(if next.is_some() { "pending" } else { outcome }),
        outgoing_deliveries::due_at.eq(next),
        outgoing_deliveries::last_status.eq(attempt.status_code),
        outgoing_deliveries::last_error.eq(attempt.error),
        outgoing_deliveries::finished_at.eq(next.is_none().then_some(now)),
    ))
    .execute(conn)
    .await?;
    Ok(changed == 1)
}

/// Ends everything that is open for an endpoint that was switched off.
pub(crate) async fn fail_open_deliveries(
    conn: &mut AsyncPgConnection,
    endpoint_id: Uuid,
    now: DateTime<Utc>,
) -> QueryResult<usize> {
    diesel::update(
        outgoing_deliveries::table
            .filter(outgoing_deliveries::endpoint_id.eq(endpoint_id))
            .filter(outgoing_deliveries::due_at.is_not_null()),
    )
    .set((
        outgoing_deliveries::state.eq("failed"),
        outgoing_deliveries::due_at.eq(None::<DateTime<Utc>>),
        outgoing_deliveries::last_error.eq(Some(ENDPOINT_DISABLED)),
        outgoing_deliveries::finished_at.eq(Some(now)),
    ))
    .execute(conn)
    .await
}

/// Puts failed deliveries of messages made within a time back into the queue, each with a new round of tries.
pub(crate) async fn recover_deliveries(
    conn: &mut AsyncPgConnection,
    endpoint_id: Uuid,
    since: DateTime<Utc>,
    until: Option<DateTime<Utc>>,
    now: DateTime<Utc>,
) -> QueryResult<usize> {
    diesel::sql_query(
        "UPDATE outgoing_deliveries SET state = 'pending', attempts = 0, lease = lease + 1, due_at = $4, finished_at = NULL \
         WHERE endpoint_id = $1 AND state = 'failed' AND created_at >= $2 AND ($3 IS NULL OR created_at < $3)",
    )
    .bind::<SqlUuid, _>(endpoint_id)
    .bind::<Timestamptz, _>(since)
    .bind::<Nullable<Timestamptz>, _>(until)
    .bind::<Timestamptz, _>(now)
    .execute(conn)
    .await
}

/// Queues one delivery again, whatever came of it; answers false when there is none.
pub(crate) async fn restart_delivery(
    conn: &mut AsyncPgConnection,
    message_id: Uuid,
    endpoint_id: Uuid,
    now: DateTime<Utc>,
) -> QueryResult<bool> {
    let changed = diesel::update(
        outgoing_deliveries::table
            .filter(outgoing_deliveries::message_id.eq(message_id))
            .filter(outgoing_deliveries::endpoint_id.eq(endpoint_id)),
    )
    .set((
        outgoing_deliveries::state.eq("pending"),
        outgoing_deliveries::attempts.eq(0),
        outgoing_deliveries::lease.eq(outgoing_deliveries::lease + 1),
        outgoing_deliveries::due_at.eq(Some(now)),
        outgoing_deliveries::finished_at.eq(None::<DateTime<Utc>>),
    ))
    .execute(conn)
    .await?;
    Ok(changed == 1)
}

/// Removes old messages with their deliveries and tries, unless some are still open. The numbers of
/// streams stay: a receiver that has seen 7 must not see 1 again. Small bites: a long delete would hold up the queue.
pub(crate) async fn delete_old(
    conn: &mut AsyncPgConnection,
    before: DateTime<Utc>,
) -> QueryResult<usize> {
    let mut removed = 0;
    loop {
        let ids: Vec<Uuid> = outgoing_messages::table
            .filter(outgoing_messages::created_at.lt(before))
            .filter(diesel::dsl::not(diesel::dsl::exists(
                outgoing_deliveries::table
                    .filter(outgoing_deliveries::message_id.eq(outgoing_messages::id))
                    .filter(outgoing_deliveries::due_at.is_not_null()),
            )))
            .order(outgoing_messages::created_at)
            .limit(500)
            .select(outgoing_messages::id)
            .load(conn)
            .await?;
        if ids.is_empty() {
            break;
        }
        removed += diesel::sql_query("DELETE FROM outgoing_messages WHERE id = ANY($1)")
            .bind::<Array<SqlUuid>, _>(ids)
            .execute(conn)
            .await?;
    }
    Ok(removed)
}

/// Forgets an endpoint's failures after a success; writes nothing when there are none.
pub(crate) async fn clear_failures(
    conn: &mut AsyncPgConnection,
    endpoint_id: Uuid,
) -> QueryResult<usize> {
    diesel::update(
        outgoing_endpoints::table
            .find(endpoint_id)
            .filter(outgoing_endpoints::consecutive_failures.gt(0)),
    )
    .set((
        outgoing_endpoints::consecutive_failures.eq(0),
        outgoing_endpoints::failing_since.eq(None::<DateTime<Utc>>),
        outgoing_endpoints::paused_until.eq(None::<DateTime<Utc>>),
    ))
    .execute(conn)
    .await
}
