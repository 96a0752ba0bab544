//! Rows of `account_alerts`.

use chrono::{DateTime, TimeDelta, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use super::Alert;
use crate::schema::account_alerts;
use crate::user::User;

#[derive(Queryable, Selectable)]
#[diesel(table_name = account_alerts, check_for_backend(diesel::pg::Pg))]
pub(super) struct AlertRow {
    pub(super) id: Uuid,
    pub(super) kind: String,
    pub(super) phone: String,
    pub(super) language: String,
    pub(super) device: String,
    pub(super) created_at: DateTime<Utc>,
    pub(super) attempts: i32,
}

pub(super) async fn insert_alert(
    conn: &mut AsyncPgConnection,
    user: &User,
    phone: &str,
    alert: &Alert,
    now: DateTime<Utc>,
) -> QueryResult<()> {
    diesel::insert_into(account_alerts::table)
        .values((
            account_alerts::id.eq(Uuid::now_v7()),
            account_alerts::user_id.eq(user.id),
            account_alerts::kind.eq(alert.kind()),
            account_alerts::phone.eq(phone),
            account_alerts::language.eq(user.language.as_str()),
            account_alerts::device.eq(alert.device()),
            account_alerts::created_at.eq(now),
            account_alerts::due_at.eq(now),
        ))
        .execute(conn)
        .await
        .map(|_| ())
}

/// What waits to be sent, the oldest first.
pub(super) async fn list_due(
    conn: &mut AsyncPgConnection,
    now: DateTime<Utc>,
    limit: i64,
) -> QueryResult<Vec<AlertRow>> {
    account_alerts::table
        .filter(account_alerts::due_at.le(now))
        .order((account_alerts::due_at, account_alerts::id))
        .limit(limit)
        .select(AlertRow::as_select())
        .load(conn)
        .await
}

/// Done with: sent, or given up when `sent` is false.
pub(super) async fn update_done(
    conn: &mut AsyncPgConnection,
    id: Uuid,
    sent: bool,
    now: DateTime<Utc>,
) -> QueryResult<()> {
    diesel::update(account_alerts::table.find(id))
        .set((
            account_alerts::due_at.eq(None::<DateTime<Utc>>),
            account_alerts::sent_at.eq(sent.then_some(now)),
            account_alerts::attempts.eq(account_alerts::attempts + 1),
        ))
        .execute(conn)
        .await
        .map(|_| ())
}

pub(super) async fn update_retry(
    conn: &mut AsyncPgConnection,
    id: Uuid,
    due_at: DateTime<Utc>,
) -> QueryResult<()> {
    diesel::update(account_alerts::table.find(id))
        .set((
            account_alerts::due_at.eq(due_at),
            account_alerts::attempts.eq(account_alerts::attempts + 1),
        ))
        .execute(conn)
        .await
        .map(|_| ())
}

/// Removes alerts a month old.
pub(crate) async fn sweep(conn: &mut AsyncPgConnection, now: DateTime<Utc>) -> QueryResult<usize> {
    let month_ago = now - TimeDelta::days(30);
    diesel::delete(account_alerts::table.filter(account_alerts::created_at.lt(month_ago)))
        .execute(conn)
        .await
}
