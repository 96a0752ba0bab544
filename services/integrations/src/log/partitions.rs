//! The days of the log.

use chrono::{DateTime, Days, TimeDelta, Utc};
use diesel::sql_types::{Date, Integer};
use diesel_async::{AsyncPgConnection, RunQueryDsl};

/// Days that are made ahead: a worker may be away that long.
const AHEAD: u64 = 3;
/// Days that rows are kept (I22).
pub(crate) const KEPT_DAYS: i64 = 30;

#[derive(diesel::QueryableByName)]
struct Count {
    #[diesel(sql_type = Integer)]
    count: i32,
}

/// Makes the days ahead and drops the days that are over since more than [`KEPT_DAYS`]; answers how many of each. The
/// functions belong to the owner of the tables: the service itself may neither create nor drop any.
///
/// # Errors
/// When the database refuses.
pub(crate) async fn maintain(
    conn: &mut AsyncPgConnection,
    now: DateTime<Utc>,
) -> diesel::QueryResult<(i32, i32)> {
    let today = now.date_naive();
    let last = today.checked_add_days(Days::new(AHEAD)).unwrap_or(today);
    let oldest = (now - TimeDelta::days(KEPT_DAYS)).date_naive();
    let made: Count = diesel::sql_query("SELECT make_log_days($1, $2) AS count")
        .bind::<Date, _>(today)
        .bind::<Date, _>(last)
        .get_result(conn)
        .await?;
    let dropped: Count = diesel::sql_query("SELECT drop_log_days($1) AS count")
        .bind::<Date, _>(oldest)
        .get_result(conn)
        .await?;
    Ok((made.count, dropped.count))
}
