//! Rows of API keys.

use chrono::{DateTime, TimeDelta, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use crate::schema::api_keys;

/// A key to be stored.
#[derive(Insertable)]
#[diesel(table_name = api_keys)]
pub struct NewApiKey {
    /// The id.
    pub id: Uuid,
    /// The partner.
    pub name: String,
    /// SHA-256 of the key.
    pub key_hash: Vec<u8>,
    /// Its first characters, for people.
    pub hint: String,
    /// What it may do.
    pub scopes: Vec<String>,
    /// The organisation it belongs to.
    pub organization_id: Option<Uuid>,
    /// Now.
    pub created_at: DateTime<Utc>,
}

/// A key as lists and introspection need it.
#[derive(Queryable, Selectable, Clone)]
#[diesel(table_name = api_keys, check_for_backend(diesel::pg::Pg))]
pub struct ApiKeyRow {
    /// The id.
    pub id: Uuid,
    /// The partner.
    pub name: String,
    /// Its first characters.
    pub hint: String,
    /// What it may do.
    pub scopes: Vec<String>,
    /// The organisation it belongs to.
    pub organization_id: Option<Uuid>,
    /// When it ends.
    pub expires_at: Option<DateTime<Utc>>,
    /// When it was revoked.
    pub revoked_at: Option<DateTime<Utc>>,
    /// Last use, to the minute.
    pub last_used_at: Option<DateTime<Utc>>,
}

/// Inserts, or finds the key that is there.
///
/// # Errors
/// Database failures.
pub async fn insert_api_key(conn: &mut AsyncPgConnection, key: &NewApiKey) -> QueryResult<Uuid> {
    let inserted = diesel::insert_into(api_keys::table)
        .values(key)
        .on_conflict(api_keys::key_hash)
        .do_nothing()
        .returning(api_keys::id)
        .get_result(conn)
        .await
        .optional()?;
    match inserted {
        Some(id) => Ok(id),
        None => {
            api_keys::table
                .filter(api_keys::key_hash.eq(&key.key_hash))
                .select(api_keys::id)
                .first(conn)
                .await
        }
    }
}

pub(crate) async fn find_active(
    conn: &mut AsyncPgConnection,
    hash: &[u8],
    now: DateTime<Utc>,
) -> QueryResult<Option<ApiKeyRow>> {
    api_keys::table
        .filter(api_keys::key_hash.eq(hash))
        .filter(api_keys::revoked_at.is_null())
        .filter(
            api_keys::expires_at
                .is_null()
                .or(api_keys::expires_at.gt(now)),
        )
        .select(ApiKeyRow::as_select())
        .first(conn)
        .await
        .optional()
}

pub(crate) async fn list_api_keys(conn: &mut AsyncPgConnection) -> QueryResult<Vec<ApiKeyRow>> {
    api_keys::table
        .order(api_keys::created_at.desc())
        .select(ApiKeyRow::as_select())
        .load(conn)
        .await
}

/// Revokes; true when it was living.
pub(crate) async fn revoke_api_key(
    conn: &mut AsyncPgConnection,
    id: Uuid,
    now: DateTime<Utc>,
) -> QueryResult<bool> {
    let revoked = diesel::update(
        api_keys::table
            .find(id)
            .filter(api_keys::revoked_at.is_null()),
    )
    .set(api_keys::revoked_at.eq(now))
    .execute(conn)
    .await?;
    Ok(revoked == 1)
}

/// Notes the use, once a minute at most.
pub(crate) async fn update_last_used(
    conn: &mut AsyncPgConnection,
    id: Uuid,
    now: DateTime<Utc>,
) -> QueryResult<()> {
    let minute_ago = now - TimeDelta::minutes(1);
    let old = api_keys::last_used_at
        .is_null()
        .or(api_keys::last_used_at.lt(minute_ago));
    diesel::update(api_keys::table.find(id).filter(old))
        .set(api_keys::last_used_at.eq(now))
        .execute(conn)
        .await
        .map(|_| ())
}
