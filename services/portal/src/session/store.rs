//! Rows of sessions and revocations.

use chrono::{DateTime, TimeDelta, Utc};
use common_types::events::auth::{RevocationKind, SessionRevoked};
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use service_events::outbox;
use uuid::Uuid;

use crate::{
    schema::{login_attempts, patient_accesses, patients, portal_sessions, session_revocations},
    state::SERVICE,
};

#[derive(Debug, Insertable)]
#[diesel(table_name = portal_sessions)]
pub(crate) struct NewSession<'a> {
    pub(crate) id: Uuid,
    pub(crate) organization_id: Uuid,
    pub(crate) patient_id: Uuid,
    pub(crate) access_id: Uuid,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) last_seen_at: DateTime<Utc>,
    pub(crate) expires_at: DateTime<Utc>,
    pub(crate) ip: &'a str,
    pub(crate) user_agent: &'a str,
}

pub(crate) async fn insert_session(
    conn: &mut AsyncPgConnection,
    new: &NewSession<'_>,
) -> QueryResult<usize> {
    diesel::insert_into(portal_sessions::table)
        .values(new)
        .execute(conn)
        .await
}

/// When a live session was last seen: not ended, not past its end, keys still on, patient not deleted.
pub(crate) async fn find_live_session(
    conn: &mut AsyncPgConnection,
    organization: Uuid,
    id: Uuid,
    patient: Uuid,
    now: DateTime<Utc>,
) -> QueryResult<Option<DateTime<Utc>>> {
    portal_sessions::table
        .inner_join(patient_accesses::table.on(patient_accesses::id.eq(portal_sessions::access_id)))
        .inner_join(patients::table.on(patients::id.eq(portal_sessions::patient_id)))
        .filter(portal_sessions::organization_id.eq(organization))
        .filter(portal_sessions::id.eq(id))
        .filter(portal_sessions::patient_id.eq(patient))
        .filter(portal_sessions::ended_at.is_null())
        .filter(portal_sessions::expires_at.gt(now))
        .filter(patient_accesses::is_active)
        .filter(patients::deleted_at.is_null())
        .select(portal_sessions::last_seen_at)
        .first(conn)
        .await
        .optional()
}

pub(crate) async fn touch_session(
    conn: &mut AsyncPgConnection,
    id: Uuid,
    now: DateTime<Utc>,
) -> QueryResult<usize> {
    diesel::update(
        portal_sessions::table
            .filter(portal_sessions::id.eq(id))
            .filter(portal_sessions::last_seen_at.lt(now)),
    )
    .set(portal_sessions::last_seen_at.eq(now))
    .execute(conn)
    .await
}

/// Ends one session everywhere.
pub(crate) async fn end_session(
    conn: &mut AsyncPgConnection,
    organization: Uuid,
    id: Uuid,
    reason: &str,
    now: DateTime<Utc>,
) -> QueryResult<()> {
    let expires: Option<DateTime<Utc>> = diesel::update(
        portal_sessions::table
            .filter(portal_sessions::organization_id.eq(organization))
            .filter(portal_sessions::id.eq(id))
            .filter(portal_sessions::ended_at.is_null()),
    )
    .set((
        portal_sessions::ended_at.eq(now),
        portal_sessions::end_reason.eq(reason),
    ))
    .returning(portal_sessions::expires_at)
    .get_result(conn)
    .await
    .optional()?;
    match expires {
        Some(expires) => revoke(conn, RevocationKind::Session, id, expires, now).await,
        None => Ok(()),
    }
}

/// Ends every session of a patient everywhere: keys switched off, patient deleted.
pub(crate) async fn end_all_of_patient(
    conn: &mut AsyncPgConnection,
    patient: Uuid,
    now: DateTime<Utc>,
) -> QueryResult<()> {
    let ended: Vec<DateTime<Utc>> = diesel::update(
        portal_sessions::table
            .filter(portal_sessions::patient_id.eq(patient))
            .filter(portal_sessions::ended_at.is_null())
            .filter(portal_sessions::expires_at.gt(now)),
    )
    .set((
        portal_sessions::ended_at.eq(now),
        portal_sessions::end_reason.eq("access_disabled"),
    ))
    .returning(portal_sessions::expires_at)
    .get_results(conn)
    .await?;
    match ended.into_iter().max() {
        Some(expires) => revoke(conn, RevocationKind::User, patient, expires, now).await,
        None => Ok(()),
    }
}

async fn revoke(
    conn: &mut AsyncPgConnection,
    kind: RevocationKind,
    id: Uuid,
    expires_at: DateTime<Utc>,
    now: DateTime<Utc>,
) -> QueryResult<()> {
    let name = match kind {
        RevocationKind::Session => "session",
        RevocationKind::User => "user",
    };
    let cursor: i64 = diesel::insert_into(session_revocations::table)
        .values((
            session_revocations::kind.eq(name),
            session_revocations::subject_id.eq(id),
            session_revocations::not_before.eq(now.timestamp() + 1),
            session_revocations::expires_at.eq(expires_at),
            session_revocations::created_at.eq(now),
        ))
        .returning(session_revocations::cursor)
        .get_result(conn)
        .await?;
    let event = SessionRevoked {
        id,
        aggregate_version: cursor,
        kind,
        not_before: now.timestamp() + 1,
        expires_at,
    };
    outbox::emit(conn, SERVICE, &event, now).await.map(drop)
}

/// Forgets login attempts after a day and sessions and revocations that can no longer matter.
///
/// # Errors
/// When the database refuses.
pub(crate) async fn sweep(conn: &mut AsyncPgConnection, now: DateTime<Utc>) -> QueryResult<usize> {
    let attempts = diesel::delete(
        login_attempts::table.filter(login_attempts::attempted_at.lt(now - TimeDelta::days(1))),
    )
    .execute(conn)
    .await?;
    let revocations =
        diesel::delete(session_revocations::table.filter(session_revocations::expires_at.lt(now)))
            .execute(conn)
            .await?;
    Ok(attempts + revocations)
}
