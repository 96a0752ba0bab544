//! Rows of authenticators, recovery codes and challenges.

use chrono::{DateTime, TimeDelta, Utc};
use diesel::dsl::exists;
use diesel::prelude::*;
use diesel::sql_types::{Integer, Timestamptz};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use crate::schema::{login_challenges, recovery_codes, second_factors};

#[derive(Queryable, Selectable, Clone)]
#[diesel(table_name = second_factors, check_for_backend(diesel::pg::Pg))]
pub(crate) struct FactorRow {
    pub(crate) user_id: Uuid,
    pub(crate) secret: String,
    pub(crate) confirmed_at: Option<DateTime<Utc>>,
    pub(crate) last_step: i64,
    pub(crate) failed_at: Option<DateTime<Utc>>,
}

/// A login that waits for its second factor.
#[derive(Queryable, Selectable, Insertable, Clone)]
#[diesel(table_name = login_challenges, check_for_backend(diesel::pg::Pg))]
pub(crate) struct NewChallenge {
    pub(crate) id: Uuid,
    pub(crate) user_id: Uuid,
    pub(crate) token_hash: Vec<u8>,
    pub(crate) kind: String,
    pub(crate) carrier: String,
    pub(crate) opened_by: String,
    pub(crate) group_number: i32,
    pub(crate) organization_id: Option<Uuid>,
    pub(crate) verified_phone: Option<String>,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) expires_at: DateTime<Utc>,
}

/// Whether the user has a confirmed authenticator.
pub(crate) async fn is_on(conn: &mut AsyncPgConnection, user: Uuid) -> QueryResult<bool> {
    diesel::select(exists(
        second_factors::table
            .find(user)
            .filter(second_factors::confirmed_at.is_not_null()),
    ))
    .get_result(conn)
    .await
}

pub(crate) async fn find(
    conn: &mut AsyncPgConnection,
    user: Uuid,
) -> QueryResult<Option<FactorRow>> {
    second_factors::table
        .find(user)
        .select(FactorRow::as_select())
        .first(conn)
        .await
        .optional()
}

/// Stores a new secret, not confirmed yet; false when a confirmed one is there. Failures stay: enrolling anew must not
/// give new guesses.
pub(crate) async fn upsert_secret(
    conn: &mut AsyncPgConnection,
    user: Uuid,
    sealed: &str,
    now: DateTime<Utc>,
) -> QueryResult<bool> {
    let upsert = diesel::insert_into(second_factors::table)
        .values((
            second_factors::user_id.eq(user),
            second_factors::secret.eq(sealed),
            second_factors::created_at.eq(now),
        ))
        .on_conflict(second_factors::user_id)
        .do_update()
        .set((
            second_factors::secret.eq(sealed),
            second_factors::created_at.eq(now),
            second_factors::last_step.eq(0),
        ));
    let written = diesel::query_dsl::methods::FilterDsl::filter(
        upsert,
        second_factors::confirmed_at.is_null(),
    )
    .execute(conn)
    .await?;
    Ok(written == 1)
}

/// Counts an attempt before it is compared; `None` while the factor rests after too many. A statement of its own.
pub(crate) async fn raise_failures(
    conn: &mut AsyncPgConnection,
    user: Uuid,
    attempts: i32,
    rested: DateTime<Utc>,
    now: DateTime<Utc>,
) -> QueryResult<Option<FactorRow>> {
    let open = second_factors::failures
        .lt(attempts)
        .or(second_factors::failed_at.lt(rested));
    let count = diesel::dsl::sql::<Integer>("CASE WHEN failed_at < ")
        .bind::<Timestamptz, _>(rested)
        .sql(" THEN 1 ELSE failures + 1 END");
    diesel::update(second_factors::table.find(user).filter(open))
        .set((
            second_factors::failures.eq(count),
            second_factors::failed_at.eq(now),
        ))
        .returning(FactorRow::as_returning())
        .get_result(conn)
        .await
        .optional()
}

pub(crate) async fn clear_failures(conn: &mut AsyncPgConnection, user: Uuid) -> QueryResult<()> {
    diesel::update(second_factors::table.find(user))
        .set(second_factors::failures.eq(0))
        .execute(conn)
        .await
        .map(|_| ())
}

/// Uses a time step; true for the first use of it or of a later one only.
pub(crate) async fn use_step(
    conn: &mut AsyncPgConnection,
    user: Uuid,
    step: i64,
) -> QueryResult<bool> {
    let used = diesel::update(
        second_factors::table
            .find(user)
            .filter(second_factors::last_step.lt(step)),
    )
    .set((
        second_factors::last_step.eq(step),
        second_factors::failures.eq(0),
    ))
    .execute(conn)
    .await?;
    Ok(used == 1)
}

/// Turns a new authenticator on; true when it was not.
pub(crate) async fn confirm(
    conn: &mut AsyncPgConnection,
    user: Uuid,
    now: DateTime<Utc>,
) -> QueryResult<bool> {
    let confirmed = diesel::update(
        second_factors::table
            .find(user)
            .filter(second_factors::confirmed_at.is_null()),
    )
    .set(second_factors::confirmed_at.eq(now))
    .execute(conn)
    .await?;
    Ok(confirmed == 1)
}

/// Removes authenticator and recovery codes; true when one was on.
pub(crate) async fn remove(conn: &mut AsyncPgConnection, user: Uuid) -> QueryResult<bool> {
    diesel::delete(recovery_codes::table.filter(recovery_codes::user_id.eq(user)))
        .execute(conn)
        .await?;
    let removed: Option<Option<DateTime<Utc>>> = diesel::delete(second_factors::table.find(user))
        .returning(second_factors::confirmed_at)
        .get_result(conn)
        .await
        .optional()?;
    Ok(removed.flatten().is_some())
}

/// Replaces the recovery codes.
pub(crate) async fn replace_recovery_codes(
    conn: &mut AsyncPgConnection,
    user: Uuid,
    hashes: &[Vec<u8>],
    now: DateTime<Utc>,
) -> QueryResult<()> {
    diesel::delete(recovery_codes::table.filter(recovery_codes::user_id.eq(user)))
        .execute(conn)
        .await?;
    let rows: Vec<_> = hashes
        .iter()
        .map(|hash| {
            (
                recovery_codes::id.eq(Uuid::now_v7()),
                recovery_codes::user_id.eq(user),
                recovery_codes::code_hash.eq(hash),
                recovery_codes::created_at.eq(now),
            )
        })
        .collect();
    diesel::insert_into(recovery_codes::table)
        .values(rows)
        .execute(conn)
        .await
        .map(|_| ())
}

pub(crate) async fn find_recovery_code(
    conn: &mut AsyncPgConnection,
    user: Uuid,
    hash: &[u8],
) -> QueryResult<Option<Uuid>> {
    recovery_codes::table
        .filter(recovery_codes::user_id.eq(user))
        .filter(recovery_codes::code_hash.eq(hash))
        .filter(recovery_codes::used_at.is_null())
        .select(recovery_codes::id)
        .first(conn)
        .await
        .optional()
}

pub(crate) async fn use_recovery_code(
    conn: &mut AsyncPgConnection,
    id: Uuid,
    now: DateTime<Utc>,
) -> QueryResult<bool> {
    let used = diesel::update(
        recovery_codes::table
            .find(id)
            .filter(recovery_codes::used_at.is_null()),
    )
    .set(recovery_codes::used_at.eq(now))
    .execute(conn)
    .await?;
    Ok(used == 1)
}

pub(crate) async fn count_recovery_codes(
    conn: &mut AsyncPgConnection,
    user: Uuid,
) -> QueryResult<i64> {
    recovery_codes::table
        .filter(recovery_codes::user_id.eq(user))
        .filter(recovery_codes::used_at.is_null())
        .count()
        .get_result(conn)
        .await
}

pub(crate) async fn insert_challenge(
    conn: &mut AsyncPgConnection,
    challenge: &NewChallenge,
) -> QueryResult<()> {
    diesel::insert_into(login_challenges::table)
        .values(challenge)
        .execute(conn)
        .await
        .map(|_| ())
}

/// A challenge that still waits.
pub(crate) async fn find_challenge(
    conn: &mut AsyncPgConnection,
    hash: &[u8],
    now: DateTime<Utc>,
) -> QueryResult<Option<NewChallenge>> {
    login_challenges::table
        .filter(login_challenges::token_hash.eq(hash))
        .filter(login_challenges::used_at.is_null())
        .filter(login_challenges::expires_at.gt(now))
        .select(NewChallenge::as_select())
        .first(conn)
        .await
        .optional()
}

/// Uses a challenge; true for exactly one caller.
pub(crate) async fn use_challenge(
    conn: &mut AsyncPgConnection,
    id: Uuid,
    now: DateTime<Utc>,
) -> QueryResult<bool> {
    let used = diesel::update(
        login_challenges::table
            .find(id)
            .filter(login_challenges::used_at.is_null()),
    )
    .set(login_challenges::used_at.eq(now))
    .execute(conn)
    .await?;
    Ok(used == 1)
}

/// Ends every waiting login of a user: what proved the first factor no longer holds.
pub(crate) async fn end_challenges(
    conn: &mut AsyncPgConnection,
    user: Uuid,
    now: DateTime<Utc>,
) -> QueryResult<()> {
    diesel::update(
        login_challenges::table
            .filter(login_challenges::user_id.eq(user))
            .filter(login_challenges::used_at.is_null()),
    )
    .set(login_challenges::used_at.eq(now))
    .execute(conn)
    .await
    .map(|_| ())
}

/// Removes challenges an hour past their end.
pub(crate) async fn sweep(conn: &mut AsyncPgConnection, now: DateTime<Utc>) -> QueryResult<usize> {
    let hour_ago = now - TimeDelta::hours(1);
    diesel::delete(login_challenges::table.filter(login_challenges::expires_at.lt(hour_ago)))
        .execute(conn)
        .await
}
