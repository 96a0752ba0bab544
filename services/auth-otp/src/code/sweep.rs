//! Removing what no code needs any more (A18).

use chrono::{DateTime, TimeDelta, Utc};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Timestamptz};
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use crate::schema::{code_cooldowns, phone_failures, phone_sends, send_counters};

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = BigInt)]
    swept: i64,
}

/// Removes codes an hour past their end (A18), cooldowns and counters past their use, and old failures.
pub(crate) async fn sweep(
    conn: &mut AsyncPgConnection,
    now: DateTime<Utc>,
    ceiling: i32,
) -> QueryResult<i64> {
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
    diesel::delete(phone_sends::table.filter(phone_sends::last_at.lt(two_days_ago)))
        .execute(conn)
        .await?;
    // Those of a number that must be proven anew stay: only the proof ends them.
    let month_ago = now - TimeDelta::days(30);
    diesel::delete(
        phone_failures::table
            .filter(phone_failures::failed_at.lt(month_ago))
            .filter(phone_failures::failures.lt(ceiling)),
    )
    .execute(conn)
    .await?;
    Ok(row.swept)
}
