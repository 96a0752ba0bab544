//! Log rows.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;
use uuid::Uuid;

use super::redact;
use crate::schema::{integration_logs, providers};

/// What is written.
pub(crate) struct NewLog {
    pub(crate) provider_id: Option<Uuid>,
    pub(crate) organization_id: Option<Uuid>,
    pub(crate) log_level: &'static str,
    pub(crate) service_name: &'static str,
    pub(crate) action: &'static str,
    pub(crate) request_data: Value,
    pub(crate) response_data: Value,
    pub(crate) error_message: String,
    pub(crate) status_code: Option<i32>,
    pub(crate) duration_ms: Option<i32>,
    pub(crate) user: Option<(Uuid, String)>,
    pub(crate) ip_address: Option<String>,
}

impl NewLog {
    pub(crate) fn new(
        log_level: &'static str,
        service_name: &'static str,
        action: &'static str,
    ) -> Self {
        Self {
            provider_id: None,
            organization_id: None,
            log_level,
            service_name,
            action,
            request_data: json!({}),
            response_data: json!({}),
            error_message: String::new(),
            status_code: None,
            duration_ms: None,
            user: None,
            ip_address: None,
        }
    }
}

/// A row as shown (wire.md 3.3).
#[derive(Debug, Queryable, Serialize, ToSchema)]
pub(crate) struct LogRow {
    id: Uuid,
    provider: Option<Uuid>,
    provider_name: Option<String>,
    log_level: String,
    service_name: String,
    action: String,
    #[schema(value_type = Object)]
    request_data: Value,
    #[schema(value_type = Object)]
    response_data: Value,
    error_message: String,
    status_code: Option<i32>,
    duration_ms: Option<i32>,
    user: Option<Uuid>,
    user_name: String,
    ip_address: Option<String>,
    created_at: DateTime<Utc>,
}

pub(crate) async fn insert_log(
    conn: &mut AsyncPgConnection,
    log: NewLog,
    now: DateTime<Utc>,
) -> QueryResult<()> {
    let (user_id, user_name) = log
        .user
        .map_or((None, String::new()), |(id, name)| (Some(id), name));
    diesel::insert_into(integration_logs::table)
        .values((
            integration_logs::id.eq(Uuid::now_v7()),
            integration_logs::provider_id.eq(log.provider_id),
            integration_logs::organization_id.eq(log.organization_id),
            integration_logs::log_level.eq(log.log_level),
            integration_logs::service_name.eq(log.service_name),
            integration_logs::action.eq(log.action),
            integration_logs::request_data.eq(redact(log.request_data)),
            integration_logs::response_data.eq(redact(log.response_data)),
            integration_logs::error_message.eq(log.error_message),
            integration_logs::status_code.eq(log.status_code),
            integration_logs::duration_ms.eq(log.duration_ms),
            integration_logs::user_id.eq(user_id),
            integration_logs::user_name.eq(user_name),
            integration_logs::ip_address.eq(log.ip_address),
            integration_logs::created_at.eq(now),
        ))
        .execute(conn)
        .await
        .map(|_| ())
}

/// Which rows are shown.
#[derive(Debug, Default)]
pub(crate) struct LogFilter {
    /// `None`: every organisation (superuser).
    pub(crate) organization_id: Option<Uuid>,
    pub(crate) provider: Option<String>,
    pub(crate) level: Option<String>,
    pub(crate) action: Option<String>,
    pub(crate) since: Option<DateTime<Utc>>,
}

pub(crate) async fn list_logs(
    conn: &mut AsyncPgConnection,
    filter: &LogFilter,
    offset: i64,
    limit: i64,
) -> QueryResult<(i64, Vec<LogRow>)> {
    let selected = || {
        let mut query = integration_logs::table
            .left_join(
                providers::table.on(integration_logs::provider_id.eq(providers::id.nullable())),
            )
            .into_boxed::<diesel::pg::Pg>();
        if let Some(organization) = filter.organization_id {
            query = query.filter(integration_logs::organization_id.eq(organization));
        }
        if let Some(provider) = &filter.provider {
            query = query.filter(providers::slug.eq(provider.clone()));
        }
        if let Some(level) = &filter.level {
            query = query.filter(integration_logs::log_level.eq(level.clone()));
        }
        if let Some(action) = &filter.action {
            let pattern = action
                .replace('\\', "\\\\")
                .replace('%', "\\%")
                .replace('_', "\\_");
            query = query.filter(integration_logs::action.ilike(format!("%{pattern}%")));
        }
        if let Some(since) = filter.since {
            query = query.filter(integration_logs::created_at.ge(since));
        }
        query
    };
    let count = selected().count().get_result(conn).await?;
    let rows = selected()
        .order((
            integration_logs::created_at.desc(),
            integration_logs::id.desc(),
        ))
        .offset(offset)
        .limit(limit)
        .select((
            integration_logs::id,
            integration_logs::provider_id,
            providers::name.nullable(),
            integration_logs::log_level,
            integration_logs::service_name,
            integration_logs::action,
            integration_logs::request_data,
            integration_logs::response_data,
            integration_logs::error_message,
            integration_logs::status_code,
            integration_logs::duration_ms,
            integration_logs::user_id,
            integration_logs::user_name,
            integration_logs::ip_address,
            integration_logs::created_at,
        ))
        .load(conn)
        .await?;
    Ok((count, rows))
}

/// Removes rows older than `before`.
pub(crate) async fn delete_logs(
    conn: &mut AsyncPgConnection,
    before: DateTime<Utc>,
) -> QueryResult<usize> {
    diesel::delete(integration_logs::table.filter(integration_logs::created_at.lt(before)))
        .execute(conn)
        .await
}
