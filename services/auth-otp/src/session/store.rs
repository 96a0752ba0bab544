//! Rows of sessions and revocations.

use chrono::{DateTime, TimeDelta, Utc};
use diesel::IntoSql;
use diesel::prelude::*;
use diesel::sql_types::{Binary, Bool, Integer, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use super::open::OpenedBy;
use crate::call::call;
use crate::schema::{known_devices, revocations, sessions};

const OPEN_SESSION: &str = "SELECT open_session";

/// A session to be opened.
#[derive(Debug, Clone)]
pub(crate) struct NewSession {
    pub(crate) id: Uuid,
    pub(crate) user_id: Uuid,
    pub(crate) kind: &'static str,
    pub(crate) organization_id: Option<Uuid>,
    pub(crate) group_number: i32,
    pub(crate) token_hash: Vec<u8>,
    pub(crate) user_agent: String,
    pub(crate) ip_address: String,
    pub(crate) device: String,
    pub(crate) browser: String,
    pub(crate) opened_at: DateTime<Utc>,
    pub(crate) expires_at: DateTime<Utc>,
    pub(crate) carrier: &'static str,
    pub(crate) opened_by: &'static str,
    pub(crate) stepped_up_at: Option<DateTime<Utc>>,
    pub(crate) second_factor_at: Option<DateTime<Utc>>,
    pub(crate) verified_phone: Option<String>,
    /// What the device is known by.
    pub(crate) fingerprint: Vec<u8>,
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
    pub(crate) carrier: String,
    pub(crate) opened_by: String,
    pub(crate) stepped_up_at: Option<DateTime<Utc>>,
    pub(crate) second_factor_at: Option<DateTime<Utc>>,
}

/// Stores the session, the login's time and the device, in one statement; true when the device is news to its owner: new,
/// and not the first of all.
pub(crate) async fn insert_session(
    conn: &mut AsyncPgConnection,
    session: &NewSession,
) -> QueryResult<bool> {
    call::<Bool, _>(
        OPEN_SESSION,
        (
            session.id.into_sql::<SqlUuid>(),
            session.user_id.into_sql::<SqlUuid>(),
            session.kind.into_sql::<Text>(),
            session.organization_id.into_sql::<Nullable<SqlUuid>>(),
            session.group_number.into_sql::<Integer>(),
            session.token_hash.as_slice().into_sql::<Binary>(),
            session.opened_at.into_sql::<Timestamptz>(),
            session.user_agent.as_str().into_sql::<Text>(),
            session.ip_address.as_str().into_sql::<Text>(),
            session.device.as_str().into_sql::<Text>(),
            session.browser.as_str().into_sql::<Text>(),
            session.expires_at.into_sql::<Timestamptz>(),
            session.carrier.into_sql::<Text>(),
            session.opened_by.into_sql::<Text>(),
            session.stepped_up_at.into_sql::<Nullable<Timestamptz>>(),
            session.second_factor_at.into_sql::<Nullable<Timestamptz>>(),
            session
                .verified_phone
                .as_deref()
                .into_sql::<Nullable<Text>>(),
            session.fingerprint.as_slice().into_sql::<Binary>(),
        ),
    )
    .get_result(conn)
    .await
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

pub(crate) async fn find_session(
    conn: &mut AsyncPgConnection,
    id: Uuid,
) -> QueryResult<Option<SessionRow>> {
    sessions::table
        .find(id)
        .select(SessionRow::as_select())
        .first(conn)
        .await
        .optional()
}

/// Moves a living session on to `generation` from the one before; true for exactly one of those who try at once. The
/// others wait for its commit alone, not for one another.
pub(crate) async fn update_generation(
    conn: &mut AsyncPgConnection,
    id: Uuid,
    generation: i32,
    token_hash: &[u8],
    now: DateTime<Utc>,
) -> QueryResult<bool> {
    let before = sessions::table
        .find(id)
        .filter(sessions::generation.eq(generation - 1))
        .filter(sessions::ended_at.is_null());
    let moved = diesel::update(before)
        .set((
            sessions::generation.eq(generation),
            sessions::token_hash.eq(token_hash),
            sessions::rotated_at.eq(now),
            sessions::last_seen_at.eq(now),
        ))
        .execute(conn)
        .await?;
    Ok(moved == 1)
}

/// Notes the use, once a minute at most: parallel uses of a stable token need not wait for one another.
pub(crate) async fn update_last_seen(
    conn: &mut AsyncPgConnection,
    id: Uuid,
    now: DateTime<Utc>,
) -> QueryResult<()> {
    let minute_ago = now - TimeDelta::minutes(1);
    let old = sessions::table
        .find(id)
        .filter(sessions::last_seen_at.lt(minute_ago));
    diesel::update(old)
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

/// Notes a fresh proof of the person; `second_factor` when it was one.
pub(crate) async fn update_stepped_up(
    conn: &mut AsyncPgConnection,
    id: Uuid,
    second_factor: bool,
    now: DateTime<Utc>,
) -> QueryResult<()> {
    diesel::update(sessions::table.find(id))
        .set((
            sessions::stepped_up_at.eq(now),
            second_factor.then_some(sessions::second_factor_at.eq(now)),
        ))
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

/// What opened a living session.
pub(crate) async fn opened_by(
    conn: &mut AsyncPgConnection,
    id: Uuid,
) -> QueryResult<Option<OpenedBy>> {
    let word: Option<String> = sessions::table
        .find(id)
        .filter(sessions::ended_at.is_null())
        .select(sessions::opened_by)
        .first(conn)
        .await
        .optional()?;
    Ok(word.as_deref().map(OpenedBy::of))
}

/// Notes the phone that a code proved when this session was opened.
pub(crate) async fn prove_phone(
    conn: &mut AsyncPgConnection,
    id: Uuid,
    phone: &str,
) -> QueryResult<()> {
    diesel::update(sessions::table.find(id))
        .set(sessions::verified_phone.eq(phone))
        .execute(conn)
        .await
        .map(|_| ())
}

/// The phone that a code proved when this living session of the user was opened.
pub(crate) async fn proved_phone(
    conn: &mut AsyncPgConnection,
    id: Uuid,
    user: Uuid,
) -> QueryResult<Option<String>> {
    let found: Option<Option<String>> = sessions::table
        .find(id)
        .filter(sessions::user_id.eq(user))
        .filter(sessions::ended_at.is_null())
        .select(sessions::verified_phone)
        .first(conn)
        .await
        .optional()?;
    Ok(found.flatten())
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

/// Removes revocations that no token needs any more, sessions a month past their end, and devices unused for a year.
pub(crate) async fn sweep(conn: &mut AsyncPgConnection, now: DateTime<Utc>) -> QueryResult<usize> {
    let hour_ago = now - TimeDelta::hours(1);
    let swept = diesel::delete(revocations::table.filter(revocations::expires_at.lt(hour_ago)))
        .execute(conn)
        .await?;
    let month_ago = now - TimeDelta::days(30);
    let old = diesel::delete(sessions::table.filter(sessions::expires_at.lt(month_ago)))
        .execute(conn)
        .await?;
    let year_ago = now - TimeDelta::days(365);
    let devices =
        diesel::delete(known_devices::table.filter(known_devices::last_seen_at.lt(year_ago)))
            .execute(conn)
            .await?;
    Ok(swept + old + devices)
}
