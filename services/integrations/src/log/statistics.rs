//! How calls went: counts, errors, durations and cost by provider and action.

use chrono::{DateTime, Utc};
use diesel::sql_types::{BigInt, Double, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

/// One provider's calls of one kind.
#[derive(Debug, diesel::QueryableByName, Serialize, ToSchema)]
pub(crate) struct CallStatistics {
    /// Slug; null for what goes through no provider.
    #[diesel(sql_type = Nullable<Text>)]
    provider: Option<String>,
    #[diesel(sql_type = Text)]
    action: String,
    #[diesel(sql_type = BigInt)]
    calls: i64,
    /// Calls logged as error or critical.
    #[diesel(sql_type = BigInt)]
    errors: i64,
    /// Errors by calls, 0 to 1.
    #[diesel(sql_type = Double)]
    error_rate: f64,
    /// Milliseconds within which 95 of 100 calls were done.
    #[diesel(sql_type = Nullable<Double>)]
    p95_ms: Option<f64>,
    /// In the smallest unit of `cost_currency`.
    #[diesel(sql_type = BigInt)]
    cost_amount: i64,
    #[diesel(sql_type = Nullable<Text>)]
    cost_currency: Option<String>,
    /// The most frequent error.
    #[diesel(sql_type = Nullable<Text>)]
    top_error: Option<String>,
}

/// Calls since a time, within an organisation when given; most errors first.
pub(crate) async fn count_calls(
    conn: &mut AsyncPgConnection,
    organization: Option<Uuid>,
    since: DateTime<Utc>,
) -> diesel::QueryResult<Vec<CallStatistics>> {
    diesel::sql_query(
        "SELECT p.slug AS provider, l.action, count(*) AS calls, \
         count(*) FILTER (WHERE l.log_level IN ('error', 'critical')) AS errors, \
         (count(*) FILTER (WHERE l.log_level IN ('error', 'critical')))::float8 / count(*) AS error_rate, \
         percentile_cont(0.95) WITHIN GROUP (ORDER BY l.duration_ms) AS p95_ms, \
         coalesce(sum(l.cost_amount), 0)::bigint AS cost_amount, l.cost_currency, \
         mode() WITHIN GROUP (ORDER BY nullif(l.error_message, '')) AS top_error \
         FROM integration_logs l LEFT JOIN providers p ON p.id = l.provider_id \
         WHERE l.created_at >= $1 AND ($2 IS NULL OR l.organization_id = $2) \
         GROUP BY p.slug, l.action, l.cost_currency ORDER BY errors DESC, calls DESC, l.action LIMIT 500",
    )
    .bind::<Timestamptz, _>(since)
    .bind::<Nullable<SqlUuid>, _>(organization)
    .load(conn)
    .await
}
