//! `GET /api/integrations/logs/`.

use actix_web::{HttpRequest, HttpResponse, web};
use chrono::TimeDelta;
use serde::Deserialize;
use service_http::{Allowed, ApiError, ClinicAdmin, PageQuery, Query, paginate};

use super::store::{self, LogFilter, LogRow};
use crate::AppState;

#[derive(Debug, Deserialize)]
pub(crate) struct LogQuery {
    provider: Option<String>,
    level: Option<String>,
    action: Option<String>,
    days: Option<i64>,
}

/// The log, newest first (I08): staff only, their own organisation's rows.
#[utoipa::path(get, path = "/api/integrations/logs/", tag = "logs",
    params(("provider" = Option<String>, Query), ("level" = Option<String>, Query), ("action" = Option<String>, Query),
        ("days" = Option<i64>, Query), ("page" = Option<i64>, Query)),
    responses((status = 200, body = Vec<LogRow>), (status = 403)))]
pub(crate) async fn list_logs(
    request: HttpRequest,
    caller: Allowed<ClinicAdmin>,
    query: Query<LogQuery>,
    page: Query<PageQuery>,
    state: web::Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    let query = query.into_inner();
    let filter = LogFilter {
        organization_id: if caller.superuser { None } else { caller.org },
        provider: query.provider,
        level: query.level,
        action: query.action,
        since: query
            .days
            .map(|days| state.now() - TimeDelta::days(days.clamp(0, 36_500))),
    };
    let mut conn = state.stack.db.get().await.map_err(ApiError::internal)?;
    let (count, rows) = store::list_logs(&mut conn, &filter, page.offset(), page.limit())
        .await
        .map_err(ApiError::internal)?;
    Ok(HttpResponse::Ok().json(paginate(&request, &page, count, rows)?))
}
