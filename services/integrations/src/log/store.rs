//! Log rows.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{Origin, redact, redact_text};
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
    /// In the smallest unit of a currency: `IRR`, or `USD_MICROS`.
    pub(crate) cost: Option<(i64, String)>,
    pub(crate) user: Option<(Uuid, String)>,
    pub(crate) ip_address: Option<String>,
    /// The request that is being answered, unless it is named.
    pub(crate) origin: Origin,
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
            cost: None,
            user: None,
            ip_address: None,
            origin: Origin::current(),
        }
    }
}

/// A row as shown (wire.md 3.3; endpoint and cost are ours).
#[derive(Debug, Queryable, Serialize, ToSchema)]
pub(crate) struct LogRow {
    id: Uuid,
    provider: Option<Uuid>,
    provider_name: Option<String>,
    log_level: String,
    service_name: String,
    action: String,
    /// The route that was called.
    endpoint: String,
    #[schema(value_type = Object)]
    request_data: Value,
    #[schema(value_type = Object)]
    response_data: Value,
    error_message: String,
    status_code: Option<i32>,
    duration_ms: Option<i32>,
    /// In the smallest unit of `cost_currency`.
    cost_amount: Option<i64>,
    cost_currency: Option<String>,
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
    insert_logs(conn, vec![log], now).await
}

/// Writes many rows with one statement.
pub(crate) async fn insert_logs(
    conn: &mut AsyncPgConnection,
    logs: Vec<NewLog>,
    now: DateTime<Utc>,
) -> QueryResult<()> {
    let rows: Vec<_> = logs
        .into_iter()
        .map(|log| {
            let (user_id, user_name) = log
                .user
                .map_or((None, String::new()), |(id, name)| (Some(id), name));
            let (cost_amount, cost_currency) = log.cost.unzip();
            let ip_address = log
                .ip_address
                .or_else(|| log.origin.ip.map(|ip| ip.to_string()));
            (
                integration_logs::id.eq(Uuid::now_v7()),
                integration_logs::provider_id.eq(log.provider_id),
                integration_logs::organization_id.eq(log.organization_id),
                integration_logs::log_level.eq(log.log_level),
                integration_logs::service_name.eq(log.service_name),
                integration_logs::action.eq(log.action),
                integration_logs::endpoint.eq(log.origin.endpoint),
                integration_logs::request_data.eq(redact(log.request_data)),
                integration_logs::response_data.eq(redact(log.response_data)),
                integration_logs::error_message.eq(redact_text(&log.error_message)),
                integration_logs::status_code.eq(log.status_code),
                integration_logs::duration_ms.eq(log.duration_ms),
                integration_logs::cost_amount.eq(cost_amount),
                integration_logs::cost_currency.eq(cost_currency),
                integration_logs::user_id.eq(user_id),
                integration_logs::user_name.eq(user_name),
                integration_logs::ip_address.eq(ip_address),
                integration_logs::created_at.eq(now),
            )
        })
        .collect();
    diesel::insert_into(integration_logs::table)
        .values(rows)
        .execute(conn)
        .await
        .map(|_| ())
}

/// Which rows are shown.
#[derive(Debug, Default)]
pub(crate) struct LogFilter {
    /// `None`: every organisation (superuser).
    pub(crate) organization_id: Option<Uuid>,
    pub(crate) id: Option<Uuid>,
    pub(crate) provider: Option<String>,
    pub(crate) level: Option<String>,
    pub(crate) action: Option<String>,
    pub(crate) service: Option<String>,
    pub(crate) user: Option<Uuid>,
    pub(crate) status_code: Option<i32>,
    /// In the action, the route, the service or the error.
    pub(crate) search: Option<String>,
    pub(crate) since: Option<DateTime<Utc>>,
    pub(crate) until: Option<DateTime<Utc>>,
}

/// In which order rows are shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum LogOrder {
    #[default]
    Newest,
    Oldest,
    Slowest,
    Costliest,
}

/// A pattern that finds `text` anywhere.
fn containing(text: &str) -> String {
    let escaped = text
        .replace('\\', "\\\\")
        .replace('%', "\\%")
        .replace('_', "\\_");
    format!("%{escaped}%")
}

pub(crate) async fn list_logs(
    conn: &mut AsyncPgConnection,
    filter: &LogFilter,
    order: LogOrder,
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
        if let Some(id) = filter.id {
            query = query.filter(integration_logs::id.eq(id));
        }
        if let Some(provider) = &filter.provider {
            query = query.filter(providers::slug.eq(provider.clone()));
        }
        if let Some(level) = &filter.level {
            query = query.filter(integration_logs::log_level.eq(level.clone()));
        }
        if let Some(action) = &filter.action {
            query = query.filter(integration_logs::action.ilike(containing(action)));
        }
        if let Some(service) = &filter.service {
            query = query.filter(integration_logs::service_name.eq(service.clone()));
        }
        if let Some(user) = filter.user {
            query = query.filter(integration_logs::user_id.eq(user));
        }
        if let Some(status) = filter.status_code {
            query = query.filter(integration_logs::status_code.eq(status));
        }
        if let Some(search) = &filter.search {
            let pattern = containing(search);
            query = query.filter(
                integration_logs::action
                    .ilike(pattern.clone())
                    .or(integration_logs::endpoint.ilike(pattern.clone()))
                    .or(integration_logs::service_name.ilike(pattern.clone()))
                    .or(integration_logs::error_message.ilike(pattern)),
            );
        }
        if let Some(since) = filter.since {
            query = query.filter(integration_logs::created_at.ge(since));
        }
        if let Some(until) = filter.until {
            query = query.filter(integration_logs::created_at.lt(until));
        }
        query
    };
    let count = selected().count().get_result(conn).await?;
    let newest = (
        integration_logs::created_at.desc(),
        integration_logs::id.desc(),
    );
    let ordered = match order {
        LogOrder::Newest => selected().order(newest),
        LogOrder::Oldest => selected().order((
            integration_logs::created_at.asc(),
            integration_logs::id.asc(),
        )),
        LogOrder::Slowest => selected()
            .order(integration_logs::duration_ms.desc().nulls_last())
            .then_order_by(newest),
        LogOrder::Costliest => selected()
            .order(integration_logs::cost_amount.desc().nulls_last())
            .then_order_by(newest),
    };
    let rows = ordered
        .offset(offset)
        .limit(limit)
        .select((
            integration_logs::id,
            integration_logs::provider_id,
            providers::name.nullable(),
            integration_logs::log_level,
            integration_logs::service_name,
            integration_logs::action,
            integration_logs::endpoint,
            integration_logs::request_data,
            integration_logs::response_data,
            integration_logs::error_message,
            integration_logs::status_code,
            integration_logs::duration_ms,
            integration_logs::cost_amount,
            integration_logs::cost_currency,
            integration_logs::user_id,
            integration_logs::user_name,
            integration_logs::ip_address,
            integration_logs::created_at,
        ))
        .load(conn)
        .await?;
    Ok((count, rows))
}

/// A call as a dry run of a rule sees it.
#[derive(Debug, Queryable)]
pub(crate) struct PastCall {
    pub(crate) provider_id: Option<Uuid>,
    pub(crate) organization_id: Option<Uuid>,
    pub(crate) action: String,
    pub(crate) endpoint: String,
    pub(crate) user_id: Option<Uuid>,
    pub(crate) ip_address: Option<String>,
    pub(crate) created_at: DateTime<Utc>,
}

/// The newest `most` calls since a time, newest first, within an organisation when given.
pub(crate) async fn list_past_calls(
    conn: &mut AsyncPgConnection,
    organization_id: Option<Uuid>,
    since: DateTime<Utc>,
    most: i64,
) -> QueryResult<Vec<PastCall>> {
    let mut query = integration_logs::table
        .filter(integration_logs::created_at.ge(since))
        .into_boxed::<diesel::pg::Pg>();
    if let Some(organization) = organization_id {
        query = query.filter(integration_logs::organization_id.eq(organization));
    }
    query
        .order((
            integration_logs::created_at.desc(),
            integration_logs::id.desc(),
        ))
        .limit(most)
        .select((
            integration_logs::provider_id,
            integration_logs::organization_id,
            integration_logs::action,
            integration_logs::endpoint,
            integration_logs::user_id,
            integration_logs::ip_address,
            integration_logs::created_at,
        ))
        .load(conn)
        .await
}
