//! Rows of API keys.

use chrono::{DateTime, TimeDelta, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use crate::organization::store::contains;
use crate::schema::{api_keys, organizations};

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
    /// When it ends.
    pub expires_at: Option<DateTime<Utc>>,
    /// Who makes it.
    pub created_by: Option<Uuid>,
}

/// What may change of a key.
#[derive(AsChangeset, Default)]
#[diesel(table_name = api_keys)]
pub(crate) struct ApiKeyChanges {
    pub(crate) name: Option<String>,
    pub(crate) scopes: Option<Vec<String>>,
    pub(crate) expires_at: Option<DateTime<Utc>>,
}

impl ApiKeyChanges {
    /// True when anything changes.
    pub(crate) fn is_some(&self) -> bool {
        self.name.is_some() || self.scopes.is_some() || self.expires_at.is_some()
    }
}

/// Which keys a list shows.
#[derive(Debug)]
pub(crate) struct ApiKeyQuery<'a> {
    pub(crate) organization: Option<Uuid>,
    pub(crate) state: Option<&'a str>,
    pub(crate) search: Option<&'a str>,
    pub(crate) ordering: &'a str,
    pub(crate) offset: i64,
    pub(crate) limit: i64,
    pub(crate) now: DateTime<Utc>,
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
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// Who made it.
    pub created_by: Option<Uuid>,
    /// The key that took its place.
    pub replaced_by: Option<Uuid>,
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

/// A key, of that organisation where one is named.
pub(crate) async fn find_api_key(
    conn: &mut AsyncPgConnection,
    id: Uuid,
    organization: Option<Uuid>,
) -> QueryResult<Option<ApiKeyRow>> {
    let mut query = api_keys::table
        .filter(api_keys::id.eq(id))
        .select(ApiKeyRow::as_select())
        .into_boxed();
    if let Some(organization) = organization {
        query = query.filter(api_keys::organization_id.eq(organization));
    }
    query.first(conn).await.optional()
}

/// As [`find_api_key`], neither revoked nor expired nor replaced; locked until the end of the transaction.
pub(crate) async fn find_living(
    conn: &mut AsyncPgConnection,
    id: Uuid,
    organization: Option<Uuid>,
    now: DateTime<Utc>,
) -> QueryResult<Option<ApiKeyRow>> {
    let locked = api_keys::table
        .filter(api_keys::id.eq(id))
        .select(ApiKeyRow::as_select())
        .for_update()
        .first(conn)
        .await
        .optional()?;
    Ok(locked.filter(|row: &ApiKeyRow| {
        let own = organization.is_none() || row.organization_id == organization;
        let over = row.expires_at.is_some_and(|end| end <= now);
        own && row.revoked_at.is_none() && row.replaced_by.is_none() && !over
    }))
}

pub(crate) async fn update_api_key(
    conn: &mut AsyncPgConnection,
    id: Uuid,
    changes: &ApiKeyChanges,
) -> QueryResult<()> {
    diesel::update(api_keys::table.find(id))
        .set(changes)
        .execute(conn)
        .await
        .map(|_| ())
}

/// Notes the successor; the old key ends at `end`, or earlier when it was to.
pub(crate) async fn update_replaced(
    conn: &mut AsyncPgConnection,
    id: Uuid,
    successor: Uuid,
    end: DateTime<Utc>,
) -> QueryResult<()> {
    diesel::update(api_keys::table.find(id))
        .set(api_keys::replaced_by.eq(successor))
        .execute(conn)
        .await?;
    let later = api_keys::expires_at
        .is_null()
        .or(api_keys::expires_at.gt(end));
    diesel::update(api_keys::table.find(id).filter(later))
        .set(api_keys::expires_at.eq(end))
        .execute(conn)
        .await
        .map(|_| ())
}

/// How many keys there are, and a page of them.
pub(crate) async fn list_page(
    conn: &mut AsyncPgConnection,
    wanted: &ApiKeyQuery<'_>,
) -> QueryResult<(i64, Vec<ApiKeyRow>)> {
    let count = chosen(wanted).count().get_result(conn).await?;
    let rows = chosen(wanted);
    let rows = match wanted.ordering {
        "name" => rows.order((api_keys::name.asc(), api_keys::id.asc())),
        "-name" => rows.order((api_keys::name.desc(), api_keys::id.asc())),
        "created_at" => rows.order((api_keys::created_at.asc(), api_keys::id.asc())),
        "last_used_at" => rows.order((
            api_keys::last_used_at.asc().nulls_first(),
            api_keys::id.asc(),
        )),
        "-last_used_at" => rows.order((
            api_keys::last_used_at.desc().nulls_last(),
            api_keys::id.asc(),
        )),
        _ => rows.order((api_keys::created_at.desc(), api_keys::id.desc())),
    };
    let rows = rows
        .offset(wanted.offset)
        .limit(wanted.limit)
        .select(ApiKeyRow::as_select())
        .load(conn)
        .await?;
    Ok((count, rows))
}

fn chosen<'a>(wanted: &ApiKeyQuery<'a>) -> api_keys::BoxedQuery<'a, diesel::pg::Pg> {
    let mut query = api_keys::table.into_boxed();
    if let Some(organization) = wanted.organization {
        query = query.filter(api_keys::organization_id.eq(organization));
    }
    if let Some(text) = wanted.search {
        query = query.filter(api_keys::name.ilike(contains(text)));
    }
    let now = wanted.now;
    match wanted.state {
        Some("revoked") => query.filter(api_keys::revoked_at.is_not_null()),
        Some("expired") => query
            .filter(api_keys::revoked_at.is_null())
            .filter(api_keys::expires_at.le(now)),
        Some("active") => query.filter(api_keys::revoked_at.is_null()).filter(
            api_keys::expires_at
                .is_null()
                .or(api_keys::expires_at.gt(now)),
        ),
        _ => query,
    }
}

pub(crate) async fn organization_exists(
    conn: &mut AsyncPgConnection,
    id: Uuid,
) -> QueryResult<bool> {
    diesel::select(diesel::dsl::exists(organizations::table.find(id)))
        .get_result(conn)
        .await
}
