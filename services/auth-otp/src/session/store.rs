//! Rows of sessions and revocations.

use chrono::{DateTime, TimeDelta, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use crate::schema::{revocations, sessions};

#[derive(Queryable, Selectable, Insertable, Debug, Clone)]
#[diesel(table_name = sessions, check_for_backend(diesel::pg::Pg))]
pub(crate) struct NewSession {
    pub(crate) id: Uuid,
    pub(crate) user_id: Uuid,
    pub(crate) kind: String,
    pub(crate) organization_id: Option<Uuid>,
    pub(crate) group_number: i32,
    pub(crate) generation: i32,
    pub(crate) token_hash: Vec<u8>,
    pub(crate) rotated_at: DateTime<Utc>,
    pub(crate) user_agent: String,
    pub(crate) ip_address: String,
    pub(crate) device: String,
    pub(crate) browser: String,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) last_seen_at: DateTime<Utc>,
    pub(crate) expires_at: DateTime<Utc>,
}

#[derive(Queryable, Selectable, Debug, Clone)]
#[diesel(table_name = sessions, check_for_backend(diesel::pg::Pg))]
pub(crate) struct SessionRow {
    pub(crate) id: Uuid,
    pub(crate) number: i64,
    pub(crate) user_id: Uuid,
    pub(crate) kind: String,
    pub(crate) organization_id: Option<Uuid>,
    pub(crate) group_number: i32,
    pub(crate) generation: i32,
    pub(crate) token_hash: Vec<u8>,
    pub(crate) rotated_at: DateTime<Utc>,
    pub(crate) user_agent: String,
    pub(crate) ip_address: String,
    pub(crate) device: String,
    pub(crate) browser: String,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) last_seen_at: DateTime<Utc>,
    pub(crate) expires_at: DateTime<Utc>,
    pub(crate) ended_at: Option<DateTime<Utc>>,
}

pub(crate) async fn insert_session(
    conn: &mut AsyncPgConnection,
    session: &NewSession,
) -> QueryResult<()> {
    diesel::insert_into(sessions::table)
        .values(session)
        .execute(conn)
        .await
        .map(|_| ())
}

/// Locks the session until the end of the transaction: refreshes of one family happen one after another.
pub(crate) async fn lock_session(
    conn: &mut AsyncPgConnection,
    id: Uuid,
) -> QueryResult<Option<SessionRow>> {
    sessions::table
        .find(id)
        .select(SessionRow::as_select())
        .for_update()
        .first(conn)
        .await
        .optional()
}

pub(crate) async fn list_living(
    conn: &mut AsyncPgConnection,
    user: Uuid,
    now: DateTime<Utc>,
) -> QueryResult<Vec<SessionRow>> {
    sessions::table
        .filter(sessions::user_id.eq(user))
        .filter(sessions::ended_at.is_null())
        .filter(sessions::expires_at.gt(now))
        .order((sessions::last_seen_at.desc(), sessions::number.desc()))
        .select(SessionRow::as_select())
        .load(conn)
        .await
}

/// Moves on to the next generation.
pub(crate) async fn update_generation(
    conn: &mut AsyncPgConnection,
    id: Uuid,
    generation: i32,
    token_hash: &[u8],
    now: DateTime<Utc>,
) -> QueryResult<()> {
    diesel::update(sessions::table.find(id))
        .set((
            sessions::generation.eq(generation),
            sessions::token_hash.eq(token_hash),
            sessions::rotated_at.eq(now),
            sessions::last_seen_at.eq(now),
        ))
        .execute(conn)
        .await
        .map(|_| ())
}

pub(crate) async fn update_last_seen(
    conn: &mut AsyncPgConnection,
    id: Uuid,
    now: DateTime<Utc>,
) -> QueryResult<()> {
    diesel::update(sessions::table.find(id))
        .set(sessions::last_seen_at.eq(now))
        .execute(conn)
        .await
        .map(|_| ())
}

pub(crate) async fn update_organization(
    conn: &mut AsyncPgConnection,
    id: Uuid,
    organization: Uuid,
) -> QueryResult<()> {
    diesel::update(sessions::table.find(id))
        .set(sessions::organization_id.eq(organization))
        .execute(conn)
        .await
        .map(|_| ())
}

/// Ends a living session; true when it was alive.
pub(crate) async fn end_session(
    conn: &mut AsyncPgConnection,
    id: Uuid,
    reason: &str,
    now: DateTime<Utc>,
) -> QueryResult<bool> {
    let ended = diesel::update(
        sessions::table
            .find(id)
            .filter(sessions::ended_at.is_null()),
    )
    .set((sessions::ended_at.eq(now), sessions::end_reason.eq(reason)))
    .execute(conn)
    .await?;
    Ok(ended == 1)
}

/// Takes the writers' lock, so that cursors grow in the order of commits and a poller never skips one.
pub(crate) async fn insert_revocation(
    conn: &mut AsyncPgConnection,
    kind: &str,
    subject: Uuid,
    not_before: i64,
    now: DateTime<Utc>,
    expires_at: DateTime<Utc>,
) -> QueryResult<i64> {
    diesel::sql_query("SELECT pg_advisory_xact_lock(hashtextextended('auth-otp:revocations', 0))")
        .execute(conn)
        .await?;
    diesel::insert_into(revocations::table)
        .values((
            revocations::kind.eq(kind),
            revocations::subject_id.eq(subject),
            revocations::not_before.eq(not_before),
            revocations::created_at.eq(now),
            revocations::expires_at.eq(expires_at),
        ))
        .returning(revocations::cursor)
        .get_result(conn)
        .await
}

/// Cursor, kind, subject, not-before and expiry of living revocations after `since`, oldest first.
pub(crate) async fn list_revocations(
    conn: &mut AsyncPgConnection,
    since: i64,
    now: DateTime<Utc>,
    limit: i64,
) -> QueryResult<Vec<(i64, String, Uuid, i64, DateTime<Utc>)>> {
    revocations::table
        .filter(revocations::cursor.gt(since))
        .filter(revocations::expires_at.gt(now))
        .order(revocations::cursor)
        .limit(limit)
        .select((
            revocations::cursor,
            revocations::kind,
            revocations::subject_id,
            revocations::not_before,
            revocations::expires_at,
        ))
        .load(conn)
        .await
}

/// Removes revocations that no token needs any more and sessions a month past their end.
pub(crate) async fn sweep(conn: &mut AsyncPgConnection, now: DateTime<Utc>) -> QueryResult<usize> {
    let hour_ago = now - TimeDelta::hours(1);
    let swept = diesel::delete(revocations::table.filter(revocations::expires_at.lt(hour_ago)))
        .execute(conn)
        .await?;
    let month_ago = now - TimeDelta::days(30);
    let old = diesel::delete(sessions::table.filter(sessions::expires_at.lt(month_ago)))
        .execute(conn)
        .await?;
    Ok(swept + old)
}
