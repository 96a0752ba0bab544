//! Endpoints and their secrets.

use chrono::{DateTime, TimeDelta, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    AppState,
    schema::{outgoing_endpoints, outgoing_secrets},
};

/// Whose endpoints: an organisation's, or (for the platform's superusers) all of them.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Owner {
    Organization(Uuid),
    Platform,
}

impl Owner {
    /// What a new row of this owner belongs to.
    pub(crate) fn organization(self) -> Option<Uuid> {
        match self {
            Self::Organization(id) => Some(id),
            Self::Platform => None,
        }
    }
}

/// An endpoint; also its form on the wire, which never holds a secret.
#[derive(Clone, Debug, Queryable, Selectable, Serialize, ToSchema)]
#[diesel(table_name = outgoing_endpoints)]
pub(crate) struct EndpointRow {
    pub(crate) id: Uuid,
    pub(crate) organization_id: Option<Uuid>,
    pub(crate) name: String,
    pub(crate) url: String,
    /// Empty: every type.
    pub(crate) event_types: Vec<String>,
    pub(crate) is_active: bool,
    pub(crate) ordered: bool,
    pub(crate) timeout_seconds: i32,
    pub(crate) notify_email: Option<String>,
    /// Language of notices.
    pub(crate) language: String,
    /// `manual`, `gone` or `failing`.
    pub(crate) disabled_reason: Option<String>,
    pub(crate) disabled_at: Option<DateTime<Utc>>,
    pub(crate) failing_since: Option<DateTime<Utc>>,
    pub(crate) consecutive_failures: i32,
    pub(crate) paused_until: Option<DateTime<Utc>>,
    #[serde(skip)]
    pub(crate) version: i64,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) updated_at: DateTime<Utc>,
}

/// A new endpoint.
#[derive(Clone, Debug, Insertable)]
#[diesel(table_name = outgoing_endpoints)]
pub(crate) struct NewEndpoint {
    pub(crate) id: Uuid,
    pub(crate) organization_id: Option<Uuid>,
    pub(crate) name: String,
    pub(crate) url: String,
    pub(crate) event_types: Vec<String>,
    pub(crate) ordered: bool,
    pub(crate) timeout_seconds: i32,
    pub(crate) notify_email: Option<String>,
    pub(crate) language: &'static str,
    pub(crate) created_by: Option<Uuid>,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) updated_at: DateTime<Utc>,
}

/// What is changed; `None` leaves a column as it is, `Some(None)` empties it.
#[derive(Clone, Debug, Default, AsChangeset)]
#[diesel(table_name = outgoing_endpoints)]
pub(crate) struct EndpointChange {
    pub(crate) name: Option<String>,
    pub(crate) url: Option<String>,
    pub(crate) event_types: Option<Vec<String>>,
    pub(crate) ordered: Option<bool>,
    pub(crate) timeout_seconds: Option<i32>,
    pub(crate) notify_email: Option<Option<String>>,
    pub(crate) is_active: Option<bool>,
    pub(crate) disabled_reason: Option<Option<&'static str>>,
    pub(crate) disabled_at: Option<Option<DateTime<Utc>>>,
    pub(crate) failing_since: Option<Option<DateTime<Utc>>>,
    pub(crate) consecutive_failures: Option<i32>,
    pub(crate) paused_until: Option<Option<DateTime<Utc>>>,
    pub(crate) updated_at: Option<DateTime<Utc>>,
}

fn boxed<'a>(owner: Owner) -> outgoing_endpoints::BoxedQuery<'a, diesel::pg::Pg> {
    let query = outgoing_endpoints::table.into_boxed();
    match owner {
        Owner::Platform => query,
        Owner::Organization(id) => query.filter(outgoing_endpoints::organization_id.eq(id)),
    }
}

pub(crate) async fn list_endpoints(
    conn: &mut AsyncPgConnection,
    owner: Owner,
    active: Option<bool>,
    search: Option<&str>,
    offset: i64,
    limit: i64,
) -> QueryResult<(i64, Vec<EndpointRow>)> {
    let selected = || {
        let mut query = boxed(owner);
        if let Some(active) = active {
            query = query.filter(outgoing_endpoints::is_active.eq(active));
        }
        if let Some(search) = search {
            let pattern = format!("%{}%", search.replace(['%', '_', '\\'], ""));
            query = query.filter(
                outgoing_endpoints::name
                    .ilike(pattern.clone())
                    .or(outgoing_endpoints::url.ilike(pattern)),
            );
        }
        query
    };
    let count = selected().count().get_result(conn).await?;
    let rows = selected()
        .order((
            outgoing_endpoints::created_at.desc(),
            outgoing_endpoints::id.desc(),
        ))
        .offset(offset)
        .limit(limit)
        .select(EndpointRow::as_select())
        .load(conn)
        .await?;
    Ok((count, rows))
}

pub(crate) async fn find_endpoint(
    conn: &mut AsyncPgConnection,
    owner: Owner,
    id: Uuid,
) -> QueryResult<Option<EndpointRow>> {
    boxed(owner)
        .filter(outgoing_endpoints::id.eq(id))
        .select(EndpointRow::as_select())
        .first(conn)
        .await
        .optional()
}

/// The endpoint, locked until the transaction ends.
pub(crate) async fn lock_endpoint(
    conn: &mut AsyncPgConnection,
    id: Uuid,
) -> QueryResult<Option<EndpointRow>> {
    outgoing_endpoints::table
        .find(id)
        .select(EndpointRow::as_select())
        .for_update()
        .first(conn)
        .await
        .optional()
}

/// Inserts unless the owner has `most` endpoints; answers whether it did. Parallel calls of one owner wait.
pub(crate) async fn insert_endpoint(
    conn: &mut AsyncPgConnection,
    new: NewEndpoint,
    most: i64,
) -> QueryResult<bool> {
    diesel::sql_query("SELECT pg_advisory_xact_lock(hashtextextended('outgoing_endpoints' || coalesce($1::text, ''), 0))")
        .bind::<diesel::sql_types::Nullable<diesel::sql_types::Uuid>, _>(new.organization_id)
        .execute(conn)
        .await?;
    let known: i64 = outgoing_endpoints::table
        .filter(outgoing_endpoints::organization_id.is_not_distinct_from(new.organization_id))
        .count()
        .get_result(conn)
        .await?;
    if known >= most {
        return Ok(false);
    }
    diesel::insert_into(outgoing_endpoints::table)
        .values(new)
        .execute(conn)
        .await?;
    Ok(true)
}

pub(crate) async fn update_endpoint(
    conn: &mut AsyncPgConnection,
    id: Uuid,
    change: EndpointChange,
) -> QueryResult<EndpointRow> {
    diesel::update(outgoing_endpoints::table.find(id))
        .set((
            change,
            outgoing_endpoints::version.eq(outgoing_endpoints::version + 1),
        ))
        .returning(EndpointRow::as_returning())
        .get_result(conn)
        .await
}

pub(crate) async fn delete_endpoint(conn: &mut AsyncPgConnection, id: Uuid) -> QueryResult<usize> {
    diesel::delete(outgoing_endpoints::table.find(id))
        .execute(conn)
        .await
}

/// Makes `secret` the current one; the one before stays good until `overlap` has passed.
pub(crate) async fn replace_secret(
    conn: &mut AsyncPgConnection,
    state: &AppState,
    endpoint_id: Uuid,
    secret: &str,
    overlap: TimeDelta,
    now: DateTime<Utc>,
) -> QueryResult<()> {
    diesel::update(
        outgoing_secrets::table
            .filter(outgoing_secrets::endpoint_id.eq(endpoint_id))
            .filter(outgoing_secrets::expires_at.is_null()),
    )
    .set(outgoing_secrets::expires_at.eq(Some(now + overlap)))
    .execute(conn)
    .await?;
    diesel::delete(
        outgoing_secrets::table
            .filter(outgoing_secrets::endpoint_id.eq(endpoint_id))
            .filter(outgoing_secrets::expires_at.le(now)),
    )
    .execute(conn)
    .await?;
    let id = Uuid::now_v7();
    diesel::insert_into(outgoing_secrets::table)
        .values((
            outgoing_secrets::id.eq(id),
            outgoing_secrets::endpoint_id.eq(endpoint_id),
            outgoing_secrets::secret_sealed.eq(state.seal(
                "outgoing_secrets",
                id,
                "secret_sealed",
                secret.as_bytes(),
            )),
            outgoing_secrets::created_at.eq(now),
        ))
        .execute(conn)
        .await
        .map(|_| ())
}

/// The sealed secrets that are good now, newest first.
pub(crate) async fn list_live_secrets(
    conn: &mut AsyncPgConnection,
    endpoint_id: Uuid,
    now: DateTime<Utc>,
) -> QueryResult<Vec<(Uuid, String)>> {
    outgoing_secrets::table
        .filter(outgoing_secrets::endpoint_id.eq(endpoint_id))
        .filter(
            outgoing_secrets::expires_at
                .is_null()
                .or(outgoing_secrets::expires_at.gt(now)),
        )
        .order(outgoing_secrets::created_at.desc())
        .select((outgoing_secrets::id, outgoing_secrets::secret_sealed))
        .load(conn)
        .await
}
