//! The capped sample of refused bodies.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::schema::{webhook_endpoints, webhook_rejections};

/// A refused body's sample.
#[derive(Debug, Clone, Insertable)]
#[diesel(table_name = webhook_rejections)]
pub(crate) struct NewRejection {
    pub(crate) id: Uuid,
    pub(crate) endpoint_id: Uuid,
    pub(crate) reason: &'static str,
    pub(crate) body_sha256: Vec<u8>,
    pub(crate) body_size: i64,
    pub(crate) body_sample: Vec<u8>,
    pub(crate) source_ip: Option<String>,
    pub(crate) received_at: DateTime<Utc>,
}

async fn kept(
    conn: &mut AsyncPgConnection,
    endpoint_id: Uuid,
    since: DateTime<Utc>,
) -> QueryResult<i64> {
    webhook_rejections::table
        .filter(webhook_rejections::endpoint_id.eq(endpoint_id))
        .filter(webhook_rejections::received_at.gt(since))
        .count()
        .get_result(conn)
        .await
}

/// Keeps a sample unless the endpoint has `cap` of them within a day; exact under parallel calls. A flood above the cap
/// takes no lock: it reads a count and goes.
pub(crate) async fn insert_rejection(
    conn: &mut AsyncPgConnection,
    new: NewRejection,
    cap: i64,
) -> QueryResult<()> {
    let since = new.received_at - chrono::TimeDelta::hours(24);
    if kept(conn, new.endpoint_id, since).await? >= cap {
        return Ok(());
    }
    conn.transaction(async |conn| {
        diesel::sql_query(
            "SELECT pg_advisory_xact_lock(hashtextextended('webhook_rejections' || $1::text, 0))",
        )
        .bind::<diesel::sql_types::Uuid, _>(new.endpoint_id)
        .execute(conn)
        .await?;
        if kept(conn, new.endpoint_id, since).await? < cap {
            diesel::insert_into(webhook_rejections::table)
                .values(new.clone())
                .execute(conn)
                .await?;
        }
        Ok(())
    })
    .await
}

pub(crate) async fn delete_rejections(
    conn: &mut AsyncPgConnection,
    before: DateTime<Utc>,
) -> QueryResult<usize> {
    diesel::delete(webhook_rejections::table.filter(webhook_rejections::received_at.lt(before)))
        .execute(conn)
        .await
}

/// A refused body as shown.
#[derive(Debug, Queryable)]
pub(crate) struct RejectionRow {
    pub(crate) id: Uuid,
    pub(crate) webhook: Uuid,
    pub(crate) webhook_name: String,
    pub(crate) reason: String,
    pub(crate) body_sha256: Vec<u8>,
    pub(crate) body_size: i64,
    pub(crate) body_sample: Vec<u8>,
    pub(crate) source_ip: Option<String>,
    pub(crate) received_at: DateTime<Utc>,
}

/// The same on the wire.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RejectionResponse {
    id: Uuid,
    webhook: Uuid,
    webhook_name: String,
    /// `missing`, `mismatch`, `malformed`, `too_old` or `too_new`.
    reason: String,
    body_sha256: String,
    body_size: i64,
    /// The first kilobyte.
    body_sample: String,
    source_ip: Option<String>,
    received_at: DateTime<Utc>,
}

impl From<RejectionRow> for RejectionResponse {
    fn from(row: RejectionRow) -> Self {
        Self {
            id: row.id,
            webhook: row.webhook,
            webhook_name: row.webhook_name,
            reason: row.reason,
            body_sha256: hex::encode(row.body_sha256),
            body_size: row.body_size,
            body_sample: String::from_utf8_lossy(&row.body_sample).into_owned(),
            source_ip: row.source_ip,
            received_at: row.received_at,
        }
    }
}

/// What was refused, newest first, at one endpoint when given.
pub(crate) async fn list_rejections(
    conn: &mut AsyncPgConnection,
    organization: Option<Uuid>,
    webhook: Option<Uuid>,
    offset: i64,
    limit: i64,
) -> QueryResult<(i64, Vec<RejectionRow>)> {
    let selected = || {
        let mut query = webhook_rejections::table
            .inner_join(
                webhook_endpoints::table
                    .on(webhook_rejections::endpoint_id.eq(webhook_endpoints::id)),
            )
            .into_boxed::<diesel::pg::Pg>();
        if let Some(organization) = organization {
            query = query.filter(webhook_endpoints::organization_id.eq(organization));
        }
        if let Some(webhook) = webhook {
            query = query.filter(webhook_rejections::endpoint_id.eq(webhook));
        }
        query
    };
    let count = selected().count().get_result(conn).await?;
    let rows = selected()
        .order((
            webhook_rejections::received_at.desc(),
            webhook_rejections::id.desc(),
        ))
        .offset(offset)
        .limit(limit)
        .select((
            webhook_rejections::id,
            webhook_rejections::endpoint_id,
            webhook_endpoints::name,
            webhook_rejections::reason,
            webhook_rejections::body_sha256,
            webhook_rejections::body_size,
            webhook_rejections::body_sample,
            webhook_rejections::source_ip,
            webhook_rejections::received_at,
        ))
        .load(conn)
        .await?;
    Ok((count, rows))
}
