//! Rows of login notifications.

use std::net::IpAddr;

use chrono::{DateTime, TimeDelta, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use crate::schema::{login_notifications, users};

/// What CIMEF's page shows.
const NEWEST: i64 = 50;
/// A row's life in days.
const KEPT_DAYS: i64 = 90;

/// A notification with who logged in.
#[derive(Queryable, Debug)]
pub(super) struct NotificationRow {
    pub(super) number: i64,
    pub(super) user_number: i64,
    pub(super) full_name: String,
    pub(super) username: Option<String>,
    pub(super) phone: Option<String>,
    pub(super) role: String,
    pub(super) logged_in_at: DateTime<Utc>,
    pub(super) ip_address: String,
    pub(super) read_at: Option<DateTime<Utc>>,
}

pub(super) async fn insert_notification(
    conn: &mut AsyncPgConnection,
    organization: Uuid,
    user: Uuid,
    role: &str,
    ip: IpAddr,
    now: DateTime<Utc>,
) -> QueryResult<()> {
    diesel::insert_into(login_notifications::table)
        .values((
            login_notifications::id.eq(Uuid::now_v7()),
            login_notifications::organization_id.eq(organization),
            login_notifications::user_id.eq(user),
            login_notifications::role.eq(role),
            login_notifications::ip_address.eq(ip.to_string()),
            login_notifications::logged_in_at.eq(now),
        ))
        .execute(conn)
        .await
        .map(|_| ())
}

/// The newest of an organisation.
pub(super) async fn list_newest(
    conn: &mut AsyncPgConnection,
    organization: Uuid,
) -> QueryResult<Vec<NotificationRow>> {
    login_notifications::table
        .inner_join(users::table.on(users::id.eq(login_notifications::user_id)))
        .filter(login_notifications::organization_id.eq(organization))
        .order((
            login_notifications::logged_in_at.desc(),
            login_notifications::number.desc(),
        ))
        .limit(NEWEST)
        .select((
            login_notifications::number,
            users::number,
            users::full_name,
            users::username,
            users::phone,
            login_notifications::role,
            login_notifications::logged_in_at,
            login_notifications::ip_address,
            login_notifications::read_at,
        ))
        .load(conn)
        .await
}

pub(super) async fn count_unread(
    conn: &mut AsyncPgConnection,
    organization: Uuid,
) -> QueryResult<i64> {
    login_notifications::table
        .filter(login_notifications::organization_id.eq(organization))
        .filter(login_notifications::read_at.is_null())
        .count()
        .get_result(conn)
        .await
}

/// Marks one as read; false when the organisation has none of that number.
pub(super) async fn mark_read(
    conn: &mut AsyncPgConnection,
    organization: Uuid,
    number: i64,
    now: DateTime<Utc>,
) -> QueryResult<bool> {
    let one = login_notifications::table
        .filter(login_notifications::organization_id.eq(organization))
        .filter(login_notifications::number.eq(number));
    let found: Option<Option<DateTime<Utc>>> = one
        .select(login_notifications::read_at)
        .first(conn)
        .await
        .optional()?;
    if found == Some(None) {
        diesel::update(one)
            .set(login_notifications::read_at.eq(now))
            .execute(conn)
            .await?;
    }
    Ok(found.is_some())
}

pub(super) async fn mark_all_read(
    conn: &mut AsyncPgConnection,
    organization: Uuid,
    now: DateTime<Utc>,
) -> QueryResult<()> {
    diesel::update(
        login_notifications::table
            .filter(login_notifications::organization_id.eq(organization))
            .filter(login_notifications::read_at.is_null()),
    )
    .set(login_notifications::read_at.eq(now))
    .execute(conn)
    .await
    .map(|_| ())
}

/// Removes what nobody looks at any more.
pub(crate) async fn sweep(conn: &mut AsyncPgConnection, now: DateTime<Utc>) -> QueryResult<usize> {
    let oldest = now - TimeDelta::days(KEPT_DAYS);
    diesel::delete(login_notifications::table.filter(login_notifications::logged_in_at.lt(oldest)))
        .execute(conn)
        .await
}
