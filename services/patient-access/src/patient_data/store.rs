//! The rows of cached summaries.

use chrono::{DateTime, Utc};
use diesel::{prelude::*, upsert::excluded};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use crate::schema::{cached_summaries, summary_changes};

#[derive(Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = cached_summaries)]
pub(crate) struct CachedRow {
    pub(crate) grant_id: Uuid,
    pub(crate) patient_user_id: Option<Uuid>,
    pub(crate) sealed: String,
    pub(crate) fetched_at: DateTime<Utc>,
    pub(crate) expires_at: DateTime<Utc>,
}

pub(crate) async fn find_cached(
    conn: &mut AsyncPgConnection,
    grant: Uuid,
    now: DateTime<Utc>,
) -> QueryResult<Option<CachedRow>> {
    cached_summaries::table
        .find(grant)
        .filter(cached_summaries::expires_at.gt(now))
        .select(CachedRow::as_select())
        .first(conn)
        .await
        .optional()
}

/// Keeps what was fetched, unless the patient's summary changed after the fetch began.
pub(crate) async fn upsert_cached(
    conn: &mut AsyncPgConnection,
    row: &CachedRow,
) -> QueryResult<()> {
    if let Some(patient) = row.patient_user_id {
        // The row lock makes an event that arrives now wait, and then delete what is written here.
        let changed = summary_changes::table
            .find(patient)
            .select(summary_changes::changed_at)
            .for_share()
            .first::<DateTime<Utc>>(conn)
            .await
            .optional()?;
        if changed.is_some_and(|changed| changed >= row.fetched_at) {
            return Ok(());
        }
    }
    diesel::insert_into(cached_summaries::table)
        .values(row)
        .on_conflict(cached_summaries::grant_id)
        .do_update()
        .set((
            cached_summaries::patient_user_id.eq(excluded(cached_summaries::patient_user_id)),
            cached_summaries::sealed.eq(excluded(cached_summaries::sealed)),
            cached_summaries::fetched_at.eq(excluded(cached_summaries::fetched_at)),
            cached_summaries::expires_at.eq(excluded(cached_summaries::expires_at)),
        ))
        .execute(conn)
        .await?;
    Ok(())
}

/// Forgets everything cached of a patient and remembers when.
pub(crate) async fn delete_for_patient(
    conn: &mut AsyncPgConnection,
    patient: Uuid,
    now: DateTime<Utc>,
) -> QueryResult<()> {
    diesel::insert_into(summary_changes::table)
        .values((
            summary_changes::patient_user_id.eq(patient),
            summary_changes::changed_at.eq(now),
        ))
        .on_conflict(summary_changes::patient_user_id)
        .do_update()
        .set(summary_changes::changed_at.eq(excluded(summary_changes::changed_at)))
        .execute(conn)
        .await?;
    diesel::delete(cached_summaries::table.filter(cached_summaries::patient_user_id.eq(patient)))
        .execute(conn)
        .await?;
    Ok(())
}

pub(crate) async fn delete_expired(
    conn: &mut AsyncPgConnection,
    now: DateTime<Utc>,
) -> QueryResult<usize> {
    diesel::delete(cached_summaries::table.filter(cached_summaries::expires_at.le(now)))
        .execute(conn)
        .await
}
