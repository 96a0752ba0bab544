//! Rows of switches, blocks, spent challenges, and counters over everything.

use chrono::{DateTime, TimeDelta, Utc};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text, Timestamptz};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use crate::schema::{
    blocked_sources, phone_failures, send_counters, shield_switches, spent_challenges,
};

/// The newest blocks that a process holds; more are not looked at before some end.
const MAX_BLOCKS: i64 = 100_000;

#[derive(Queryable, Selectable, Debug, Clone)]
#[diesel(table_name = shield_switches, check_for_backend(diesel::pg::Pg))]
pub(crate) struct SwitchRow {
    pub(crate) scope: String,
    pub(crate) reason: String,
    pub(crate) set_by: Option<Uuid>,
    pub(crate) set_at: DateTime<Utc>,
    pub(crate) ends_at: Option<DateTime<Utc>>,
}

#[derive(Queryable, Selectable, Debug, Clone)]
#[diesel(table_name = blocked_sources, check_for_backend(diesel::pg::Pg))]
pub(crate) struct BlockRow {
    pub(crate) id: Uuid,
    pub(crate) source: String,
    pub(crate) reason: String,
    pub(crate) times: i32,
    pub(crate) created_by: Option<Uuid>,
    pub(crate) blocked_at: DateTime<Utc>,
    pub(crate) expires_at: DateTime<Utc>,
}

pub(crate) async fn list_living_switches(
    conn: &mut AsyncPgConnection,
    now: DateTime<Utc>,
) -> QueryResult<Vec<SwitchRow>> {
    shield_switches::table
        .filter(
            shield_switches::ends_at
                .is_null()
                .or(shield_switches::ends_at.gt(now)),
        )
        .order(shield_switches::scope)
        .select(SwitchRow::as_select())
        .load(conn)
        .await
}

/// Sets a switch, whatever stood there.
pub(crate) async fn put_switch(
    conn: &mut AsyncPgConnection,
    scope: &str,
    reason: &str,
    set_by: Option<Uuid>,
    now: DateTime<Utc>,
    ends_at: Option<DateTime<Utc>>,
) -> QueryResult<()> {
    let values = (
        shield_switches::scope.eq(scope),
        shield_switches::reason.eq(reason),
        shield_switches::set_by.eq(set_by),
        shield_switches::set_at.eq(now),
        shield_switches::ends_at.eq(ends_at),
    );
    diesel::insert_into(shield_switches::table)
        .values(values)
        .on_conflict(shield_switches::scope)
        .do_update()
        .set(values)
        .execute(conn)
        .await
        .map(|_| ())
}

/// Sets a switch that ends by itself, or makes one last longer; true when it did not stand before.
pub(crate) async fn prolong_switch(
    conn: &mut AsyncPgConnection,
    scope: &str,
    reason: &str,
    now: DateTime<Utc>,
    ends_at: DateTime<Utc>,
) -> QueryResult<bool> {
    #[derive(QueryableByName)]
    struct Before {
        #[diesel(sql_type = diesel::sql_types::Bool)]
        stood: bool,
    }
    let before: Before = diesel::sql_query(
        "WITH before AS (SELECT 1 FROM shield_switches WHERE scope = $1 AND (ends_at IS NULL OR ends_at > $3)), \
         put AS (INSERT INTO shield_switches (scope, reason, set_at, ends_at) VALUES ($1, $2, $3, $4) \
         ON CONFLICT (scope) DO UPDATE SET ends_at = excluded.ends_at, set_at = excluded.set_at, \
         reason = excluded.reason, set_by = NULL WHERE shield_switches.ends_at < excluded.ends_at) \
         SELECT EXISTS (SELECT 1 FROM before) AS stood",
    )
    .bind::<Text, _>(scope)
    .bind::<Text, _>(reason)
    .bind::<Timestamptz, _>(now)
    .bind::<Timestamptz, _>(ends_at)
    .get_result(conn)
    .await?;
    Ok(!before.stood)
}

/// True when it stood.
pub(crate) async fn delete_switch(conn: &mut AsyncPgConnection, scope: &str) -> QueryResult<bool> {
    let gone = diesel::delete(shield_switches::table.find(scope))
        .execute(conn)
        .await?;
    Ok(gone == 1)
}

/// Source and end of every living block.
pub(crate) async fn list_living_blocks(
    conn: &mut AsyncPgConnection,
    now: DateTime<Utc>,
) -> QueryResult<Vec<(String, DateTime<Utc>)>> {
    blocked_sources::table
        .filter(blocked_sources::expires_at.gt(now))
        .order(blocked_sources::expires_at.desc())
        .limit(MAX_BLOCKS)
        .select((blocked_sources::source, blocked_sources::expires_at))
        .load(conn)
        .await
}

/// A page of living blocks, those that end last first, and how many there are.
pub(crate) async fn list_blocks(
    conn: &mut AsyncPgConnection,
    search: Option<&str>,
    now: DateTime<Utc>,
    offset: i64,
    limit: i64,
) -> QueryResult<(i64, Vec<BlockRow>)> {
    let pattern = search.map(|text| {
        let escaped = text
            .replace('\\', "\\\\")
            .replace('%', "\\%")
            .replace('_', "\\_");
        format!("{escaped}%")
    });
    let chosen = || {
        let mut query = blocked_sources::table
            .filter(blocked_sources::expires_at.gt(now))
            .into_boxed();
        if let Some(pattern) = pattern.clone() {
            query = query.filter(blocked_sources::source.like(pattern));
        }
        query
    };
    let count = chosen().count().get_result(conn).await?;
    let rows = chosen()
        .order((blocked_sources::expires_at.desc(), blocked_sources::id))
        .offset(offset)
        .limit(limit)
        .select(BlockRow::as_select())
        .load(conn)
        .await?;
    Ok((count, rows))
}

/// Locks the row of a source until the end of the transaction.
pub(crate) async fn lock_block(
    conn: &mut AsyncPgConnection,
    source: &str,
) -> QueryResult<Option<BlockRow>> {
    blocked_sources::table
        .filter(blocked_sources::source.eq(source))
        .select(BlockRow::as_select())
        .for_update()
        .first(conn)
        .await
        .optional()
}

/// Blocks a source, or blocks it anew; its id.
pub(crate) async fn put_block(
    conn: &mut AsyncPgConnection,
    source: &str,
    reason: &str,
    times: i32,
    created_by: Option<Uuid>,
    now: DateTime<Utc>,
    expires_at: DateTime<Utc>,
) -> QueryResult<Uuid> {
    let values = (
        blocked_sources::source.eq(source),
        blocked_sources::reason.eq(reason),
        blocked_sources::times.eq(times),
        blocked_sources::created_by.eq(created_by),
        blocked_sources::blocked_at.eq(now),
        blocked_sources::expires_at.eq(expires_at),
    );
    diesel::insert_into(blocked_sources::table)
        .values((blocked_sources::id.eq(Uuid::now_v7()), values))
        .on_conflict(blocked_sources::source)
        .do_update()
        .set(values)
        .returning(blocked_sources::id)
        .get_result(conn)
        .await
}

/// Lifts a block; how often the source was blocked is remembered until the row is swept.
pub(crate) async fn end_block(
    conn: &mut AsyncPgConnection,
    id: Uuid,
    now: DateTime<Utc>,
) -> QueryResult<bool> {
    let ended = diesel::update(
        blocked_sources::table
            .find(id)
            .filter(blocked_sources::expires_at.gt(now)),
    )
    .set(blocked_sources::expires_at.eq(now))
    .execute(conn)
    .await?;
    Ok(ended == 1)
}

/// True for the first use of an answer.
pub(crate) async fn spend_challenge(
    conn: &mut AsyncPgConnection,
    digest: &[u8],
    expires_at: DateTime<Utc>,
) -> QueryResult<bool> {
    let spent = diesel::insert_into(spent_challenges::table)
        .values((
            spent_challenges::digest.eq(digest),
            spent_challenges::expires_at.eq(expires_at),
        ))
        .on_conflict_do_nothing()
        .execute(conn)
        .await?;
    Ok(spent == 1)
}

/// Adds to a counter unless the sum would pass the limit; true when added.
pub(crate) async fn add_to_counter(
    conn: &mut AsyncPgConnection,
    scope: &str,
    window_start: DateTime<Utc>,
    amount: i64,
    limit: i64,
) -> QueryResult<bool> {
    if amount > limit {
        return Ok(false);
    }
    let added = diesel::sql_query(
        "INSERT INTO send_counters (scope, window_start, sent) VALUES ($1, $2, $3) \
         ON CONFLICT (scope, window_start) DO UPDATE SET sent = send_counters.sent + excluded.sent \
         WHERE send_counters.sent <= $4 - excluded.sent",
    )
    .bind::<Text, _>(scope)
    .bind::<Timestamptz, _>(window_start)
    .bind::<BigInt, _>(amount)
    .bind::<BigInt, _>(limit)
    .execute(conn)
    .await?;
    Ok(added == 1)
}

/// The sum of a counter's windows that began after `since`.
pub(crate) async fn sum_since(
    conn: &mut AsyncPgConnection,
    scope: &str,
    since: DateTime<Utc>,
) -> QueryResult<i64> {
    let windows: Vec<i64> = send_counters::table
        .filter(send_counters::scope.eq(scope))
        .filter(send_counters::window_start.gt(since))
        .select(send_counters::sent)
        .load(conn)
        .await?;
    Ok(windows.iter().sum())
}

/// Counters of one window.
pub(crate) async fn read_counter(
    conn: &mut AsyncPgConnection,
    scope: &str,
    window_start: DateTime<Utc>,
) -> QueryResult<i64> {
    let sent = send_counters::table
        .find((scope, window_start))
        .select(send_counters::sent)
        .first(conn)
        .await
        .optional()?;
    Ok(sent.unwrap_or(0))
}

/// Forgets the wrong codes of a phone; how many there were.
pub(crate) async fn forget_failures(
    conn: &mut AsyncPgConnection,
    phone: &str,
) -> QueryResult<Option<i32>> {
    diesel::delete(phone_failures::table.find(phone))
        .returning(phone_failures::failures)
        .get_result(conn)
        .await
        .optional()
}

/// Removes what ended: switches, answered challenges, and blocks a month past their end.
pub(crate) async fn sweep(conn: &mut AsyncPgConnection, now: DateTime<Utc>) -> QueryResult<usize> {
    let switches = diesel::delete(shield_switches::table.filter(shield_switches::ends_at.lt(now)))
        .execute(conn)
        .await?;
    let challenges =
        diesel::delete(spent_challenges::table.filter(spent_challenges::expires_at.lt(now)))
            .execute(conn)
            .await?;
    let month_ago = now - TimeDelta::days(30);
    let blocks =
        diesel::delete(blocked_sources::table.filter(blocked_sources::expires_at.lt(month_ago)))
            .execute(conn)
            .await?;
    Ok(switches + challenges + blocks)
}
