//! Endpoints.

use anyhow::Context;
use chrono::{DateTime, Utc};
use diesel::{prelude::*, upsert::excluded};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use super::scheme::Scheme;
use crate::schema::{providers, webhook_endpoints, webhook_events, webhook_rejections};

/// What the receiver needs to know of an endpoint.
#[derive(Debug, Clone, Queryable)]
pub(crate) struct Endpoint {
    pub(crate) id: Uuid,
    pub(crate) endpoint_url: String,
    pub(crate) secret_sealed: String,
    pub(crate) events: Vec<String>,
    pub(crate) legacy_replies: bool,
    pub(crate) organization_id: Option<Uuid>,
    pub(crate) provider_slug: String,
    pub(crate) scheme: String,
    pub(crate) scheme_options: Value,
    pub(crate) tolerance_seconds: Option<i32>,
    pub(crate) previous_secret_sealed: Option<String>,
    pub(crate) previous_secret_until: Option<DateTime<Utc>>,
    pub(crate) retry_count: i32,
}

impl Endpoint {
    /// How its sender signs.
    ///
    /// # Errors
    /// When the row's options cannot be read.
    pub(crate) fn scheme(&self) -> anyhow::Result<Scheme> {
        Scheme::from_row(&self.scheme, &self.scheme_options)
            .with_context(|| format!("the scheme of endpoint {}", self.id))
    }
}

pub(crate) async fn find_active_endpoint(
    conn: &mut AsyncPgConnection,
    url: &str,
) -> QueryResult<Option<Endpoint>> {
    endpoints()
        .filter(webhook_endpoints::endpoint_url.eq(url))
        .filter(webhook_endpoints::is_active)
        .select(ENDPOINT)
        .first(conn)
        .await
        .optional()
}

pub(crate) async fn get_endpoint(conn: &mut AsyncPgConnection, id: Uuid) -> QueryResult<Endpoint> {
    endpoints()
        .filter(webhook_endpoints::id.eq(id))
        .select(ENDPOINT)
        .first(conn)
        .await
}

#[diesel::dsl::auto_type]
fn endpoints() -> _ {
    webhook_endpoints::table
        .inner_join(providers::table.on(webhook_endpoints::provider_id.eq(providers::id)))
}

type EndpointColumns = (
    webhook_endpoints::id,
    webhook_endpoints::endpoint_url,
    webhook_endpoints::secret_sealed,
    webhook_endpoints::events,
    webhook_endpoints::legacy_replies,
    webhook_endpoints::organization_id,
    providers::slug,
    webhook_endpoints::scheme,
    webhook_endpoints::scheme_options,
    webhook_endpoints::tolerance_seconds,
    webhook_endpoints::previous_secret_sealed,
    webhook_endpoints::previous_secret_until,
    webhook_endpoints::retry_count,
);
const ENDPOINT: EndpointColumns = (
    webhook_endpoints::id,
    webhook_endpoints::endpoint_url,
    webhook_endpoints::secret_sealed,
    webhook_endpoints::events,
    webhook_endpoints::legacy_replies,
    webhook_endpoints::organization_id,
    providers::slug,
    webhook_endpoints::scheme,
    webhook_endpoints::scheme_options,
    webhook_endpoints::tolerance_seconds,
    webhook_endpoints::previous_secret_sealed,
    webhook_endpoints::previous_secret_until,
    webhook_endpoints::retry_count,
);

/// A new endpoint.
#[derive(Debug, Clone, Insertable)]
#[diesel(table_name = webhook_endpoints)]
pub(crate) struct NewEndpoint {
    pub(crate) id: Uuid,
    pub(crate) provider_id: Uuid,
    pub(crate) organization_id: Option<Uuid>,
    pub(crate) name: String,
    pub(crate) endpoint_url: String,
    pub(crate) secret_sealed: String,
    pub(crate) events: Vec<String>,
    pub(crate) is_active: bool,
    pub(crate) retry_count: i32,
    pub(crate) timeout_seconds: i32,
    pub(crate) scheme: String,
    pub(crate) scheme_options: Value,
    pub(crate) tolerance_seconds: Option<i32>,
    pub(crate) legacy_replies: bool,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) updated_at: DateTime<Utc>,
}

pub(crate) async fn insert_endpoint(
    conn: &mut AsyncPgConnection,
    new: &NewEndpoint,
) -> QueryResult<()> {
    diesel::insert_into(webhook_endpoints::table)
        .values(new.clone())
        .execute(conn)
        .await
        .map(|_| ())
}

/// Writes an endpoint that settings describe: new, or with another secret.
pub(crate) async fn upsert_endpoint(
    conn: &mut AsyncPgConnection,
    new: NewEndpoint,
) -> QueryResult<()> {
    diesel::insert_into(webhook_endpoints::table)
        .values(new)
        .on_conflict(webhook_endpoints::endpoint_url)
        .do_update()
        .set((
            webhook_endpoints::secret_sealed.eq(excluded(webhook_endpoints::secret_sealed)),
            webhook_endpoints::version.eq(webhook_endpoints::version + 1),
            webhook_endpoints::updated_at.eq(excluded(webhook_endpoints::updated_at)),
        ))
        .execute(conn)
        .await
        .map(|_| ())
}

/// An endpoint on the wire: never its secret (wire.md 3.4).
#[derive(Debug, Queryable, Serialize, ToSchema)]
pub(crate) struct EndpointResponse {
    pub(crate) id: Uuid,
    provider: Uuid,
    provider_name: String,
    name: String,
    endpoint_url: String,
    events: Vec<String>,
    is_active: bool,
    retry_count: i32,
    timeout_seconds: i32,
    /// `auto`, `x_signature`, `standard`, `stripe`, `wave` or `generic`.
    scheme: String,
    #[schema(value_type = Object)]
    scheme_options: Value,
    /// Oldest stated time that is taken; null: as the settings say.
    tolerance_seconds: Option<i32>,
    legacy_replies: bool,
    /// Until when the secret before the last rotation is good.
    previous_secret_until: Option<DateTime<Utc>>,
    events_count: i64,
    pending_events: i64,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

/// Which endpoints: an organisation's own, or all.
#[derive(Debug, Default)]
pub(crate) struct EndpointFilter {
    pub(crate) organization_id: Option<Uuid>,
    pub(crate) provider: Option<String>,
    pub(crate) active_only: bool,
    pub(crate) search: Option<String>,
    pub(crate) id: Option<Uuid>,
}

pub(crate) async fn list_endpoints(
    conn: &mut AsyncPgConnection,
    filter: &EndpointFilter,
    offset: i64,
    limit: i64,
) -> QueryResult<(i64, Vec<EndpointResponse>)> {
    let selected = || {
        let mut query = endpoints().into_boxed::<diesel::pg::Pg>();
        if let Some(organization) = filter.organization_id {
            query = query.filter(webhook_endpoints::organization_id.eq(organization));
        }
        if let Some(slug) = &filter.provider {
            query = query.filter(providers::slug.eq(slug.clone()));
        }
        if filter.active_only {
            query = query.filter(webhook_endpoints::is_active);
        }
        if let Some(search) = &filter.search {
            let pattern = format!("%{}%", search.replace(['%', '_', '\\'], ""));
            query = query.filter(
                webhook_endpoints::name
                    .ilike(pattern.clone())
                    .or(webhook_endpoints::endpoint_url.ilike(pattern)),
            );
        }
        if let Some(id) = filter.id {
            query = query.filter(webhook_endpoints::id.eq(id));
        }
        query
    };
    let count = selected().count().get_result(conn).await?;
    let of_endpoint = || {
        webhook_events::table
            .filter(webhook_events::endpoint_id.eq(webhook_endpoints::id))
            .count()
    };
    let rows = selected()
        .order((webhook_endpoints::name, webhook_endpoints::id))
        .offset(offset)
        .limit(limit)
        .select((
            webhook_endpoints::id,
            webhook_endpoints::provider_id,
            providers::name,
            webhook_endpoints::name,
            webhook_endpoints::endpoint_url,
            webhook_endpoints::events,
            webhook_endpoints::is_active,
            webhook_endpoints::retry_count,
            webhook_endpoints::timeout_seconds,
            webhook_endpoints::scheme,
            webhook_endpoints::scheme_options,
            webhook_endpoints::tolerance_seconds,
            webhook_endpoints::legacy_replies,
            webhook_endpoints::previous_secret_until,
            of_endpoint().single_value().assume_not_null(),
            of_endpoint()
                .filter(webhook_events::is_processed.eq(false))
                .single_value()
                .assume_not_null(),
            webhook_endpoints::created_at,
            webhook_endpoints::updated_at,
        ))
        .load(conn)
        .await?;
    Ok((count, rows))
}

/// What is changed; `None` leaves a column as it is, `Some(None)` empties it.
#[derive(Debug, Clone, Default, AsChangeset)]
#[diesel(table_name = webhook_endpoints)]
pub(crate) struct EndpointChange {
    pub(crate) provider_id: Option<Uuid>,
    pub(crate) name: Option<String>,
    pub(crate) endpoint_url: Option<String>,
    pub(crate) secret_sealed: Option<String>,
    pub(crate) previous_secret_sealed: Option<Option<String>>,
    pub(crate) previous_secret_until: Option<Option<DateTime<Utc>>>,
    pub(crate) events: Option<Vec<String>>,
    pub(crate) is_active: Option<bool>,
    pub(crate) retry_count: Option<i32>,
    pub(crate) timeout_seconds: Option<i32>,
    pub(crate) scheme: Option<String>,
    pub(crate) scheme_options: Option<Value>,
    pub(crate) tolerance_seconds: Option<Option<i32>>,
    pub(crate) legacy_replies: Option<bool>,
    pub(crate) updated_at: Option<DateTime<Utc>>,
}

/// An endpoint of an organisation (or any, for the platform), locked for a change.
pub(crate) async fn lock_endpoint(
    conn: &mut AsyncPgConnection,
    organization: Option<Uuid>,
    id: Uuid,
) -> QueryResult<Option<Endpoint>> {
    let found: Option<Uuid> = webhook_endpoints::table
        .find(id)
        .filter(
            webhook_endpoints::organization_id
                .is_not_distinct_from(organization)
                .or(organization.is_none().into_sql::<diesel::sql_types::Bool>()),
        )
        .select(webhook_endpoints::id)
        .for_update()
        .first(conn)
        .await
        .optional()?;
    match found {
        Some(id) => get_endpoint(conn, id).await.map(Some),
        None => Ok(None),
    }
}

pub(crate) async fn update_endpoint(
    conn: &mut AsyncPgConnection,
    id: Uuid,
    change: EndpointChange,
) -> QueryResult<()> {
    diesel::update(webhook_endpoints::table.find(id))
        .set((
            change,
            webhook_endpoints::version.eq(webhook_endpoints::version + 1),
        ))
        .execute(conn)
        .await
        .map(|_| ())
}

/// Removes an endpoint that never received anything (refused samples aside); answers false when it did.
pub(crate) async fn delete_endpoint(conn: &mut AsyncPgConnection, id: Uuid) -> QueryResult<bool> {
    let used: bool = diesel::select(diesel::dsl::exists(
        webhook_events::table.filter(webhook_events::endpoint_id.eq(id)),
    ))
    .get_result(conn)
    .await?;
    if used {
        return Ok(false);
    }
    diesel::delete(webhook_rejections::table.filter(webhook_rejections::endpoint_id.eq(id)))
        .execute(conn)
        .await?;
    diesel::delete(webhook_endpoints::table.find(id))
        .execute(conn)
        .await?;
    Ok(true)
}

/// How many endpoints are on, and how many of their events wait.
pub(crate) async fn count_active_and_pending(
    conn: &mut AsyncPgConnection,
    organization: Option<Uuid>,
) -> QueryResult<(i64, i64)> {
    let mut active = webhook_endpoints::table
        .filter(webhook_endpoints::is_active)
        .into_boxed::<diesel::pg::Pg>();
    let mut pending = endpoints()
        .inner_join(webhook_events::table.on(webhook_events::endpoint_id.eq(webhook_endpoints::id)))
        .filter(webhook_events::is_processed.eq(false))
        .into_boxed::<diesel::pg::Pg>();
    if let Some(organization) = organization {
        active = active.filter(webhook_endpoints::organization_id.eq(organization));
        pending = pending.filter(webhook_endpoints::organization_id.eq(organization));
    }
    let active = active.count().get_result(conn).await?;
    Ok((active, pending.count().get_result(conn).await?))
}
