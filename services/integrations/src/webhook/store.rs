//! Endpoints.

use chrono::{DateTime, Utc};
use diesel::{prelude::*, upsert::excluded};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::schema::{providers, webhook_endpoints, webhook_events};

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
);
const ENDPOINT: EndpointColumns = (
    webhook_endpoints::id,
    webhook_endpoints::endpoint_url,
    webhook_endpoints::secret_sealed,
    webhook_endpoints::events,
    webhook_endpoints::legacy_replies,
    webhook_endpoints::organization_id,
    providers::slug,
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
