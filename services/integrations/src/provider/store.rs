//! Provider rows.

use chrono::{DateTime, Utc};
use diesel::{
    dsl::sql,
    prelude::*,
    sql_types::{BigInt, Bool, Nullable, Text, Timestamptz, Uuid as SqlUuid},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::schema::providers;

/// A provider on the wire (wire.md 3.1).
#[derive(Debug, QueryableByName, Serialize, ToSchema)]
pub(crate) struct ProviderResponse {
    #[diesel(sql_type = SqlUuid)]
    pub(crate) id: Uuid,
    #[diesel(sql_type = Text)]
    pub(crate) name: String,
    #[diesel(sql_type = Text)]
    pub(crate) slug: String,
    #[diesel(sql_type = Text)]
    pub(crate) provider_type: String,
    #[diesel(sql_type = Text)]
    pub(crate) status: String,
    #[diesel(sql_type = Text)]
    pub(crate) description: String,
    #[diesel(sql_type = Text)]
    pub(crate) api_base_url: String,
    #[diesel(sql_type = Text)]
    pub(crate) documentation_url: String,
    #[diesel(sql_type = BigInt)]
    pub(crate) credentials_count: i64,
    #[diesel(sql_type = BigInt)]
    pub(crate) logs_count: i64,
    #[diesel(sql_type = Timestamptz)]
    pub(crate) created_at: DateTime<Utc>,
    #[diesel(sql_type = Timestamptz)]
    pub(crate) updated_at: DateTime<Utc>,
}

/// Which providers.
#[derive(Debug, Default)]
pub(crate) struct ProviderFilter {
    pub(crate) provider_type: Option<String>,
    pub(crate) status: Option<String>,
    pub(crate) slug: Option<String>,
    /// A part of name or slug.
    pub(crate) search: Option<String>,
}

pub(crate) async fn list_providers(
    conn: &mut AsyncPgConnection,
    filter: &ProviderFilter,
    now: DateTime<Utc>,
    offset: i64,
    limit: i64,
) -> QueryResult<(i64, Vec<ProviderResponse>)> {
    let mut query = providers::table.into_boxed::<diesel::pg::Pg>();
    if let Some(kind) = &filter.provider_type {
        query = query.filter(providers::provider_type.eq(kind));
    }
    if let Some(status) = &filter.status {
        query = query.filter(providers::status.eq(status));
    }
    if let Some(slug) = &filter.slug {
        query = query.filter(providers::slug.eq(slug));
    }
    if let Some(text) = &filter.search {
        query = query.filter(
            sql::<Bool>("strpos(lower(name || ' ' || slug), lower(")
                .bind::<Text, _>(text)
                .sql(")) > 0"),
        );
    }
    let count = query.count().get_result(conn).await?;
    let rows = diesel::sql_query(
        "SELECT p.id, p.name, p.slug, p.provider_type, p.status, p.description, p.api_base_url, p.documentation_url, \
         (SELECT count(*) FROM provider_credentials c WHERE c.provider_id = p.id AND c.is_active) AS credentials_count, \
         (SELECT count(*) FROM integration_logs l WHERE l.provider_id = p.id AND l.created_at > $1 - interval '24 hours') \
         AS logs_count, p.created_at, p.updated_at FROM providers p \
         WHERE ($2 IS NULL OR p.provider_type = $2) AND ($3 IS NULL OR p.status = $3) AND ($4 IS NULL OR p.slug = $4) \
         AND ($7 IS NULL OR strpos(lower(p.name || ' ' || p.slug), lower($7)) > 0) \
         ORDER BY p.name OFFSET $5 LIMIT $6",
    )
    .bind::<Timestamptz, _>(now)
    .bind::<Nullable<Text>, _>(&filter.provider_type)
    .bind::<Nullable<Text>, _>(&filter.status)
    .bind::<Nullable<Text>, _>(&filter.slug)
    .bind::<BigInt, _>(offset)
    .bind::<BigInt, _>(limit)
    .bind::<Nullable<Text>, _>(&filter.search)
    .load(conn)
    .await?;
    Ok((count, rows))
}

pub(crate) async fn find_provider(
    conn: &mut AsyncPgConnection,
    slug: &str,
    now: DateTime<Utc>,
) -> QueryResult<Option<ProviderResponse>> {
    let filter = ProviderFilter {
        slug: Some(slug.to_owned()),
        ..ProviderFilter::default()
    };
    Ok(list_providers(conn, &filter, now, 0, 1).await?.1.pop())
}

/// What an operator changes about a provider.
#[derive(Debug, Clone, Default, AsChangeset)]
#[diesel(table_name = providers)]
pub(crate) struct ProviderChange {
    pub(crate) status: Option<String>,
    pub(crate) priority: Option<i32>,
    pub(crate) description: Option<String>,
    pub(crate) name: Option<String>,
    pub(crate) api_base_url: Option<String>,
    pub(crate) documentation_url: Option<String>,
    pub(crate) updated_at: Option<DateTime<Utc>>,
}

pub(crate) async fn update_provider(
    conn: &mut AsyncPgConnection,
    slug: &str,
    change: ProviderChange,
) -> QueryResult<usize> {
    diesel::update(providers::table.filter(providers::slug.eq(slug)))
        .set((change, providers::version.eq(providers::version + 1)))
        .execute(conn)
        .await
}

/// Records a health check; answers how many failed in a row.
pub(crate) async fn update_health(
    conn: &mut AsyncPgConnection,
    id: Uuid,
    healthy: bool,
    report: &Value,
    now: DateTime<Utc>,
) -> QueryResult<i32> {
    let failures = diesel::dsl::case_when(
        healthy.into_sql::<Bool>(),
        0_i32.into_sql::<diesel::sql_types::Integer>(),
    )
    .otherwise(providers::consecutive_failures + 1);
    diesel::update(providers::table.find(id))
        .set((
            providers::consecutive_failures.eq(failures),
            providers::last_health.eq(Some(report)),
            providers::last_checked_at.eq(Some(now)),
        ))
        .returning(providers::consecutive_failures)
        .get_result(conn)
        .await
}

#[derive(Debug, QueryableByName)]
pub(crate) struct Counted {
    #[diesel(sql_type = Text)]
    pub(crate) name: String,
    #[diesel(sql_type = BigInt)]
    pub(crate) count: i64,
}

/// Log rows by level since a time, within an organisation when given.
pub(crate) async fn count_logs(
    conn: &mut AsyncPgConnection,
    provider: Uuid,
    organization: Option<Uuid>,
    since: DateTime<Utc>,
) -> QueryResult<Vec<Counted>> {
    diesel::sql_query(
        "SELECT log_level AS name, count(*) AS count FROM integration_logs \
         WHERE provider_id = $1 AND created_at >= $2 AND ($3 IS NULL OR organization_id = $3) GROUP BY log_level",
    )
    .bind::<SqlUuid, _>(provider)
    .bind::<Timestamptz, _>(since)
    .bind::<Nullable<SqlUuid>, _>(organization)
    .load(conn)
    .await
}

/// Webhook events by outcome (`total`, `processed`, `failed`); empty without an endpoint.
pub(crate) async fn count_webhooks(
    conn: &mut AsyncPgConnection,
    provider: Uuid,
    since: DateTime<Utc>,
) -> QueryResult<Vec<Counted>> {
    diesel::sql_query(
        "WITH e AS (SELECT w.is_processed, w.retry_count FROM webhook_events w \
         JOIN webhook_endpoints p ON p.id = w.endpoint_id WHERE p.provider_id = $1 AND w.received_at >= $2) \
         SELECT kind AS name, count FROM (VALUES ('total', (SELECT count(*) FROM e)), \
         ('processed', (SELECT count(*) FROM e WHERE is_processed)), \
         ('failed', (SELECT count(*) FROM e WHERE NOT is_processed AND retry_count >= 3))) AS v(kind, count) \
         WHERE EXISTS (SELECT 1 FROM webhook_endpoints p WHERE p.provider_id = $1)",
    )
    .bind::<SqlUuid, _>(provider)
    .bind::<Timestamptz, _>(since)
    .load(conn)
    .await
}

/// Credentials: (`total`, `active`), within an organisation when given.
pub(crate) async fn count_credentials(
    conn: &mut AsyncPgConnection,
    provider: Uuid,
    organization: Option<Uuid>,
) -> QueryResult<Vec<Counted>> {
    diesel::sql_query(
        "SELECT v.name, v.count FROM (SELECT count(*) AS total, count(*) FILTER (WHERE is_active) AS active \
         FROM provider_credentials WHERE provider_id = $1 AND ($2 IS NULL OR organization_id = $2)) c, \
         LATERAL (VALUES ('total', c.total), ('active', c.active)) AS v(name, count)",
    )
    .bind::<SqlUuid, _>(provider)
    .bind::<Nullable<SqlUuid>, _>(organization)
    .load(conn)
    .await
}
