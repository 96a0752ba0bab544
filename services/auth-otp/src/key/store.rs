//! Rows of `signing_keys`.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use crate::schema::signing_keys;

#[derive(Queryable, Selectable, Insertable, Clone)]
#[diesel(table_name = signing_keys, check_for_backend(diesel::pg::Pg))]
pub(crate) struct KeyRow {
    pub(crate) id: Uuid,
    pub(crate) kid: String,
    pub(crate) public_key: serde_json::Value,
    pub(crate) private_key: String,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) active_from: DateTime<Utc>,
    pub(crate) published_until: Option<DateTime<Utc>>,
}

/// Keys that are published at `now`, the newest activation first.
pub(crate) async fn list_published(
    conn: &mut AsyncPgConnection,
    now: DateTime<Utc>,
) -> QueryResult<Vec<KeyRow>> {
    signing_keys::table
        .filter(
            signing_keys::published_until
                .is_null()
                .or(signing_keys::published_until.gt(now)),
        )
        .order((signing_keys::active_from.desc(), signing_keys::id.desc()))
        .select(KeyRow::as_select())
        .load(conn)
        .await
}

/// Every key there ever was, newest first.
pub(crate) async fn list_all(conn: &mut AsyncPgConnection) -> QueryResult<Vec<KeyRow>> {
    signing_keys::table
        .order(signing_keys::created_at.desc())
        .select(KeyRow::as_select())
        .load(conn)
        .await
}

/// One writer of keys at a time, until the transaction ends.
pub(crate) async fn lock_keys(conn: &mut AsyncPgConnection) -> QueryResult<()> {
    diesel::sql_query("SELECT pg_advisory_xact_lock(hashtextextended('auth-otp:signing-keys', 0))")
        .execute(conn)
        .await
        .map(|_| ())
}

pub(crate) async fn insert_key(conn: &mut AsyncPgConnection, row: &KeyRow) -> QueryResult<()> {
    diesel::insert_into(signing_keys::table)
        .values(row)
        .execute(conn)
        .await
        .map(|_| ())
}

/// Ends the publication of a key at `until`.
pub(crate) async fn update_published_until(
    conn: &mut AsyncPgConnection,
    id: Uuid,
    until: DateTime<Utc>,
) -> QueryResult<()> {
    diesel::update(signing_keys::table.find(id))
        .set(signing_keys::published_until.eq(until))
        .execute(conn)
        .await
        .map(|_| ())
}
