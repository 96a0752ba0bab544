//! Which events a consumer has applied, and which version of each aggregate.

use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use crate::schema::{aggregate_versions, inbox_events};

/// Notes that `consumer` applies the event in this transaction. Answers `false` when it already
/// did, then there is nothing left to do.
///
/// # Errors
/// When the database refuses.
pub async fn record(
    conn: &mut AsyncPgConnection,
    consumer: &str,
    event_id: Uuid,
) -> QueryResult<bool> {
    let inserted = diesel::insert_into(inbox_events::table)
        .values((
            inbox_events::consumer.eq(consumer),
            inbox_events::event_id.eq(event_id),
        ))
        .on_conflict_do_nothing()
        .execute(conn)
        .await?;
    Ok(inserted == 1)
}

/// Whether `version` is newer than what `consumer` has applied of that aggregate; remembers it when
/// it is. Call it first in a handler that copies state, and skip the event on `false`.
///
/// # Errors
/// When the database refuses.
pub async fn is_newer(
    conn: &mut AsyncPgConnection,
    consumer: &str,
    aggregate_id: Uuid,
    version: i64,
) -> QueryResult<bool> {
    use diesel::upsert::excluded;
    let upsert = diesel::insert_into(aggregate_versions::table)
        .values((
            aggregate_versions::consumer.eq(consumer),
            aggregate_versions::aggregate_id.eq(aggregate_id),
            aggregate_versions::version.eq(version),
        ))
        .on_conflict((
            aggregate_versions::consumer,
            aggregate_versions::aggregate_id,
        ))
        .do_update()
        .set(aggregate_versions::version.eq(excluded(aggregate_versions::version)));
    let newer = aggregate_versions::version.lt(excluded(aggregate_versions::version));
    let changed = diesel::query_dsl::methods::FilterDsl::filter(upsert, newer)
        .execute(conn)
        .await?;
    Ok(changed == 1)
}
