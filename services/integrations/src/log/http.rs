//! `/api/integrations/logs/…`.

use actix_web::{HttpRequest, HttpResponse, web};
use chrono::{DateTime, TimeDelta, Utc};
use serde::Deserialize;
use serde_json::json;
use service_http::{Allowed, ApiError, ClinicAdmin, PageQuery, Path, Query, paginate};
use uuid::Uuid;

use super::{
    statistics::{self, CallStatistics},
    store::{self, LogFilter, LogOrder, LogRow},
};
use crate::AppState;

#[derive(Debug, Deserialize)]
pub(crate) struct LogQuery {
    provider: Option<String>,
    level: Option<String>,
    action: Option<String>,
    service: Option<String>,
    user: Option<Uuid>,
    status_code: Option<i32>,
    days: Option<i64>,
    since: Option<DateTime<Utc>>,
    until: Option<DateTime<Utc>>,
}

/// The organisation whose rows a caller sees; `None` is all of them, for superusers.
fn visible(caller: &Allowed<ClinicAdmin>) -> Option<Uuid> {
    if caller.superuser {
        None
    } else {
        Some(caller.org.unwrap_or_default())
    }
}

fn order(page: &PageQuery) -> Result<LogOrder, ApiError> {
    match page.ordering.as_deref() {
        None | Some("" | "-created_at") => Ok(LogOrder::Newest),
        Some("created_at") => Ok(LogOrder::Oldest),
        Some("-duration_ms") => Ok(LogOrder::Slowest),
        Some("-cost_amount") => Ok(LogOrder::Costliest),
        Some(other) => {
            Err(ApiError::invalid().field("ordering", service_http::text::not_a_choice(other)))
        }
    }
}

/// The log, newest first (I08): staff only, their own organisation's rows.
#[utoipa::path(get, path = "/api/integrations/logs/", tag = "logs",
    params(("provider" = Option<String>, Query), ("level" = Option<String>, Query), ("action" = Option<String>, Query),
        ("service" = Option<String>, Query), ("user" = Option<Uuid>, Query), ("status_code" = Option<i32>, Query),
        ("days" = Option<i64>, Query), ("since" = Option<String>, Query), ("until" = Option<String>, Query),
        ("search" = Option<String>, Query), ("ordering" = Option<String>, Query), ("page" = Option<i64>, Query)),
    responses((status = 200, body = Vec<LogRow>), (status = 400), (status = 403)))]
pub(crate) async fn list_logs(
    request: HttpRequest,
    caller: Allowed<ClinicAdmin>,
    query: Query<LogQuery>,
    page: Query<PageQuery>,
    state: web::Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    let query = query.into_inner();
    let days = query
        .days
        .map(|days| state.now() - TimeDelta::days(days.clamp(0, 36_500)));
    let filter = LogFilter {
        organization_id: visible(&caller),
        id: None,
        provider: query.provider,
        level: query.level,
        action: query.action,
        service: query.service,
        user: query.user,
        status_code: query.status_code,
        search: page.search().map(str::to_owned),
        since: query.since.max(days),
        until: query.until,
    };
    let order = order(&page)?;
    let mut conn = state.stack.db.get().await.map_err(ApiError::internal)?;
    let (count, rows) = store::list_logs(&mut conn, &filter, order, page.offset(), page.limit())
        .await
        .map_err(ApiError::internal)?;
    Ok(HttpResponse::Ok().json(paginate(&request, &page, count, rows)?))
}

/// One row.
#[utoipa::path(get, path = "/api/integrations/logs/{id}/", tag = "logs", params(("id" = Uuid, Path)),
    responses((status = 200, body = LogRow), (status = 403), (status = 404)))]
pub(crate) async fn get_log(
    caller: Allowed<ClinicAdmin>,
    id: Path<Uuid>,
    state: web::Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    let filter = LogFilter {
        organization_id: visible(&caller),
        id: Some(*id),
        ..LogFilter::default()
    };
    let mut conn = state.stack.db.get().await.map_err(ApiError::internal)?;
    let (_, mut rows) = store::list_logs(&mut conn, &filter, LogOrder::Newest, 0, 1)
        .await
        .map_err(ApiError::internal)?;
    let row = rows
        .pop()
        .ok_or_else(|| ApiError::no_match("log.not_found", "IntegrationLog"))?;
    Ok(HttpResponse::Ok().json(row))
}

#[derive(Debug, Deserialize)]
pub(crate) struct StatisticsQuery {
    days: Option<i64>,
}

/// Counts, errors, durations and cost by provider and action within `days` (7 by default, 30 at most).
#[utoipa::path(get, path = "/api/integrations/logs/statistics/", tag = "logs",
    params(("days" = Option<i64>, Query)),
    responses((status = 200, body = Vec<CallStatistics>), (status = 403)))]
pub(crate) async fn get_log_statistics(
    caller: Allowed<ClinicAdmin>,
    query: Query<StatisticsQuery>,
    state: web::Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    let days = query
        .days
        .unwrap_or(7)
        .clamp(1, super::partitions::KEPT_DAYS);
    let since = state.now() - TimeDelta::days(days);
    let mut conn = state.stack.db.get().await.map_err(ApiError::internal)?;
    let rows = statistics::count_calls(&mut conn, visible(&caller), since)
        .await
        .map_err(ApiError::internal)?;
    Ok(HttpResponse::Ok().json(json!({"period_days": days, "results": rows})))
}
