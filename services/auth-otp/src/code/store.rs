//! Rows of one-time codes, cooldowns, counters and failures.

use chrono::{DateTime, TimeDelta, Utc};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Integer, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use crate::schema::{code_cooldowns, one_time_codes, phone_failures, send_counters};

#[derive(Insertable)]
#[diesel(table_name = one_time_codes)]
pub(crate) struct NewCode<'a> {
    pub(crate) id: Uuid,
    pub(crate) purpose: &'a str,
    pub(crate) phone: &'a str,
    pub(crate) binding: &'a str,
    pub(crate) code_hash: &'a [u8],
    pub(crate) max_attempts: i32,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) expires_at: DateTime<Utc>,
}

#[derive(Queryable, Selectable, Debug, Clone)]
#[diesel(table_name = one_time_codes, check_for_backend(diesel::pg::Pg))]
pub(crate) struct CodeRow {
    pub(crate) id: Uuid,
    pub(crate) code_hash: Vec<u8>,
    pub(crate) attempts: i32,
    pub(crate) max_attempts: i32,
    pub(crate) expires_at: DateTime<Utc>,
}

pub(crate) async fn insert_code(
    conn: &mut AsyncPgConnection,
    code: &NewCode<'_>,
) -> QueryResult<()> {
    diesel::insert_into(one_time_codes::table)
        .values(code)
        .execute(conn)
        .await
        .map(|_| ())
}

/// The newest code that is neither used nor spent, expired or not.
pub(crate) async fn find_latest(
    conn: &mut AsyncPgConnection,
    purpose: &str,
    phone: &str,
    binding: &str,
) -> QueryResult<Option<CodeRow>> {
    one_time_codes::table
        .filter(one_time_codes::phone.eq(phone))
        .filter(one_time_codes::purpose.eq(purpose))
        .filter(one_time_codes::binding.eq(binding))
        .filter(one_time_codes::used_at.is_null())
        .filter(one_time_codes::spent_at.is_null())
        .order((one_time_codes::created_at.desc(), one_time_codes::id.desc()))
        .select(CodeRow::as_select())
        .first(conn)
        .await
        .optional()
}

/// The code of this challenge, when it belongs to purpose, phone and binding and is neither used nor spent.
pub(crate) async fn find_challenge(
    conn: &mut AsyncPgConnection,
    id: Uuid,
    purpose: &str,
    phone: &str,
    binding: &str,
) -> QueryResult<Option<CodeRow>> {
    one_time_codes::table
        .find(id)
        .filter(one_time_codes::phone.eq(phone))
        .filter(one_time_codes::purpose.eq(purpose))
        .filter(one_time_codes::binding.eq(binding))
        .filter(one_time_codes::used_at.is_null())
        .filter(one_time_codes::spent_at.is_null())
        .select(CodeRow::as_select())
        .first(conn)
        .await
        .optional()
}

/// Raises the counter before anything is compared; `None` when no attempt is left or the code is over. The row lock
/// of the UPDATE makes parallel attempts count one by one.
pub(crate) async fn raise_attempts(
    conn: &mut AsyncPgConnection,
    id: Uuid,
    now: DateTime<Utc>,
) -> QueryResult<Option<CodeRow>> {
    diesel::update(
        one_time_codes::table
            .find(id)
            .filter(one_time_codes::attempts.lt(one_time_codes::max_attempts))
            .filter(one_time_codes::used_at.is_null())
            .filter(one_time_codes::spent_at.is_null())
            .filter(one_time_codes::expires_at.gt(now)),
    )
    .set(one_time_codes::attempts.eq(one_time_codes::attempts + 1))
    .returning(CodeRow::as_returning())
    .get_result(conn)
    .await
    .optional()
}

/// Uses a code that was judged right; true for exactly one caller. An attempt too many may have spent the code since
/// it was compared: the comparison came first, so a flood of guesses cannot take the right one's place. A code that a
/// newer one replaced stays spent.
pub(crate) async fn use_code(
    conn: &mut AsyncPgConnection,
    id: Uuid,
    now: DateTime<Utc>,
) -> QueryResult<bool> {
    let exhausted = one_time_codes::attempts.ge(one_time_codes::max_attempts);
    let used = diesel::update(
        one_time_codes::table
            .find(id)
            .filter(one_time_codes::used_at.is_null())
            .filter(one_time_codes::spent_at.is_null().or(exhausted)),
    )
    .set(one_time_codes::used_at.eq(now))
    .execute(conn)
    .await?;
    Ok(used == 1)
}

/// Spends one code; true when it was alive.
pub(crate) async fn spend_code(
    conn: &mut AsyncPgConnection,
    id: Uuid,
    now: DateTime<Utc>,
) -> QueryResult<bool> {
    let spent = diesel::update(
        one_time_codes::table
            .find(id)
            .filter(one_time_codes::used_at.is_null())
            .filter(one_time_codes::spent_at.is_null()),
    )
    .set(one_time_codes::spent_at.eq(now))
    .execute(conn)
    .await?;
    Ok(spent == 1)
}

/// Spends the codes that a newer one replaces.
pub(crate) async fn spend_older(
    conn: &mut AsyncPgConnection,
    newer: Uuid,
    purpose: &str,
    phone: &str,
    binding: &str,
    now: DateTime<Utc>,
) -> QueryResult<()> {
    diesel::update(
        one_time_codes::table
            .filter(one_time_codes::phone.eq(phone))
            .filter(one_time_codes::purpose.eq(purpose))
            .filter(one_time_codes::binding.eq(binding))
            .filter(one_time_codes::used_at.is_null())
            .filter(one_time_codes::spent_at.is_null())
            .filter(one_time_codes::id.lt(newer)),
    )
    .set(one_time_codes::spent_at.eq(now))
    .execute(conn)
    .await
    .map(|_| ())
}

/// Takes the cooldown for this code, or says when the last one was sent.
pub(crate) async fn take_cooldown(
    conn: &mut AsyncPgConnection,
    code: &NewCode<'_>,
    cooldown: TimeDelta,
) -> QueryResult<Result<(), DateTime<Utc>>> {
    let taken = diesel::sql_query(
        "INSERT INTO code_cooldowns (purpose, phone, binding, code_id, sent_at) VALUES ($1, $2, $3, $4, $5) \
         ON CONFLICT (purpose, phone, binding) DO UPDATE SET code_id = excluded.code_id, sent_at = excluded.sent_at \
         WHERE code_cooldowns.sent_at <= $6",
    )
    .bind::<Text, _>(code.purpose)
    .bind::<Text, _>(code.phone)
    .bind::<Text, _>(code.binding)
    .bind::<SqlUuid, _>(code.id)
    .bind::<Timestamptz, _>(code.created_at)
    .bind::<Timestamptz, _>(code.created_at - cooldown)
    .execute(conn)
    .await?;
    if taken == 1 {
        return Ok(Ok(()));
    }
    let sent_at = code_cooldowns::table
        .find((code.purpose, code.phone, code.binding))
        .select(code_cooldowns::sent_at)
        .first(conn)
        .await?;
    Ok(Err(sent_at))
}

/// Gives the cooldown back when this code was not sent.
pub(crate) async fn release_cooldown(
    conn: &mut AsyncPgConnection,
    code_id: Uuid,
) -> QueryResult<()> {
    diesel::delete(code_cooldowns::table.filter(code_cooldowns::code_id.eq(code_id)))
        .execute(conn)
        .await
        .map(|_| ())
}

/// Counts one more in a window, unless `limit` is reached; true when counted.
pub(crate) async fn count_send(
    conn: &mut AsyncPgConnection,
    scope: &str,
    window_start: DateTime<Utc>,
    limit: i32,
) -> QueryResult<bool> {
    let counted = diesel::sql_query(
        "INSERT INTO send_counters (scope, window_start, sent) VALUES ($1, $2, 1) \
         ON CONFLICT (scope, window_start) DO UPDATE SET sent = send_counters.sent + 1 \
         WHERE send_counters.sent < $3",
    )
    .bind::<Text, _>(scope)
    .bind::<Timestamptz, _>(window_start)
    .bind::<Integer, _>(limit)
    .execute(conn)
    .await?;
    Ok(counted == 1)
}

/// Wrong codes in a row on this phone and the time of the last.
pub(crate) async fn find_failures(
    conn: &mut AsyncPgConnection,
    phone: &str,
) -> QueryResult<Option<(i32, DateTime<Utc>)>> {
    phone_failures::table
        .find(phone)
        .select((phone_failures::failures, phone_failures::failed_at))
        .first(conn)
        .await
        .optional()
}

pub(crate) async fn add_failure(
    conn: &mut AsyncPgConnection,
    phone: &str,
    now: DateTime<Utc>,
) -> QueryResult<()> {
    diesel::insert_into(phone_failures::table)
        .values((
            phone_failures::phone.eq(phone),
            phone_failures::failures.eq(1),
            phone_failures::failed_at.eq(now),
        ))
        .on_conflict(phone_failures::phone)
        .do_update()
        .set((
            phone_failures::failures.eq(phone_failures::failures + 1),
            phone_failures::failed_at.eq(now),
        ))
        .execute(conn)
        .await
        .map(|_| ())
}

pub(crate) async fn clear_failures(conn: &mut AsyncPgConnection, phone: &str) -> QueryResult<()> {
    diesel::delete(phone_failures::table.find(phone))
        .execute(conn)
        .await
        .map(|_| ())
}

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = BigInt)]
    swept: i64,
}

/// Removes codes an hour past their end (A18), cooldowns and counters past their use, and old failures.
pub(crate) async fn sweep(conn: &mut AsyncPgConnection, now: DateTime<Utc>) -> QueryResult<i64> {
    let hour_ago = now - TimeDelta::hours(1);
    let row: Count = diesel::sql_query(
        "WITH gone AS (DELETE FROM one_time_codes WHERE expires_at < $1 RETURNING 1) \
         SELECT count(*) AS swept FROM gone",
    )
    .bind::<Timestamptz, _>(hour_ago)
    .get_result(conn)
    .await?;
    diesel::delete(code_cooldowns::table.filter(code_cooldowns::sent_at.lt(hour_ago)))
        .execute(conn)
        .await?;
    let two_days_ago = now - TimeDelta::days(2);
    diesel::delete(send_counters::table.filter(send_counters::window_start.lt(two_days_ago)))
        .execute(conn)
        .await?;
    let month_ago = now - TimeDelta::days(30);
    diesel::delete(phone_failures::table.filter(phone_failures::failed_at.lt(month_ago)))
        .execute(conn)
        .await?;
    Ok(row.swept)
}

/// Attempts that an existing code still had.
pub(crate) async fn count_attempts_left(
    conn: &mut AsyncPgConnection,
    id: Uuid,
) -> QueryResult<i32> {
    let left = one_time_codes::table
        .find(id)
        .select(one_time_codes::max_attempts - one_time_codes::attempts)
        .first(conn)
        .await
        .optional()?;
    Ok(left.unwrap_or(0))
}
