//! `/api/ai/usage-logs/`, `/api/ai/usage-limits/`, `/api/ai/usage/summary/` (C04, wire.md 6.2).

use actix_web::{HttpRequest, HttpResponse, web::Data};
use common_types::{Page, ordering};
use diesel_async::AsyncPgConnection;
use serde::Deserialize;
use serde_json::json;
use service_http::{ApiError, Json, Path, Query, paginate};
use uuid::Uuid;

use super::{
    CreateLimitRequest, LimitResponse, UpdateLimitRequest, UsageLogResponse, UsageSummaryResponse,
    dto::{PERIODS, SCOPES},
    error::UsageError,
    limit_store::{self, LimitFilter, LimitRow},
    model, service,
    store::{self, UsageFilter},
    summary::UsageSummary,
};
use crate::{
    AppState,
    actor::{Actor, Member},
    directory::store as directory,
    roles::{AdministerContent, ReadContent},
    wire,
};

/// Filters of the log.
#[derive(Debug, Deserialize)]
pub(crate) struct UsageLogQuery {
    workspace: Option<String>,
    user: Option<String>,
    model: Option<String>,
    success: Option<String>,
    #[serde(flatten)]
    page: wire::PageFields,
}

/// AI calls, newest first: all of the organisation for admins and editors, one's own for everyone else.
#[utoipa::path(get, path = "/api/ai/usage-logs/", tag = "usage", security(("access" = [])),
    params(("workspace" = Option<i64>, Query), ("user" = Option<i64>, Query), ("model" = Option<String>, Query),
        ("success" = Option<bool>, Query), ("ordering" = Option<String>, Query), ("page" = Option<i64>, Query)),
    responses((status = 200, body = Page<UsageLogResponse>)))]
pub(crate) async fn list_usage_logs(
    request: HttpRequest,
    member: Member<ReadContent>,
    query: Query<UsageLogQuery>,
    state: Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    let page = query.page.parse()?;
    let organization_id = member.organization_id;
    let mut conn = state.stack.db.get().await?;
    let mut filter = UsageFilter {
        user_id: (!member.is_editor()).then_some(member.user_id),
        model: query.model.as_deref().filter(|model| !model.is_empty()),
        success: wire::bool_filter(query.success.as_deref()),
        ..UsageFilter::default()
    };
    if let Some(number) = wire::number_filter("workspace", query.workspace.as_deref())? {
        let found = directory::find_workspace(&mut conn, organization_id, number).await?;
        filter.workspace_id = Some(found.ok_or_else(|| wire::no_choice("workspace"))?.id);
    }
    if let Some(number) = wire::number_filter("user", query.user.as_deref())? {
        let found = find_user(&mut conn, &member, number).await?;
        filter.user_id = Some(found.ok_or_else(|| wire::no_choice("user"))?);
    }
    let order = ordering::parse(
        page.ordering.as_deref().unwrap_or_default(),
        &["timestamp", "total_tokens", "estimated_cost"],
    );
    let window = (page.limit(), page.offset());
    let (total, items) =
        store::list_usage(&mut conn, organization_id, &filter, &order, window).await?;
    Ok(HttpResponse::Ok().json(paginate(&request, &page, total, items)?))
}

/// A user whose usage the actor may see: any member for admins and editors, oneself for everyone.
async fn find_user(
    conn: &mut AsyncPgConnection,
    actor: &Actor,
    number: i64,
) -> Result<Option<Uuid>, ApiError> {
    if number == actor.user_number {
        return Ok(Some(actor.user_id));
    }
    if !actor.is_editor() {
        return Ok(None);
    }
    Ok(directory::find_member(conn, actor.organization_id, number)
        .await?
        .map(|person| person.id))
}

/// Parameters of the summary.
#[derive(Debug, Deserialize)]
pub(crate) struct SummaryQuery {
    workspace_id: Option<String>,
    user_id: Option<String>,
    organization_id: Option<String>,
    period: Option<String>,
}

/// Sums of the organisation, or of one workspace or user of it.
#[utoipa::path(get, path = "/api/ai/usage/summary/", tag = "usage", security(("access" = [])),
    params(("workspace_id" = Option<i64>, Query), ("user_id" = Option<i64>, Query), ("organization_id" = Option<i64>, Query),
        ("period" = Option<String>, Query, description = "monthly (default), weekly, daily or all")),
    responses((status = 200, body = UsageSummaryResponse), (status = 400), (status = 404)))]
pub(crate) async fn show_usage_summary(
    member: Member<ReadContent>,
    query: Query<SummaryQuery>,
    state: Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    let period = wire::choice_filter(
        "period",
        query.period.as_deref(),
        &["monthly", "weekly", "daily", "all"],
    )?
    .unwrap_or("monthly");
    let mut conn = state.stack.db.get().await?;
    let mut filter = UsageFilter::default();
    if let Some(text) = query
        .workspace_id
        .as_deref()
        .filter(|text| !text.is_empty())
    {
        let found = match text.parse() {
            Ok(number) => {
                directory::find_workspace(&mut conn, member.organization_id, number).await?
            }
            Err(_) => None,
        };
        filter.workspace_id = Some(found.ok_or_else(|| missing("Workspace not found"))?.id);
    }
    if let Some(text) = query.user_id.as_deref().filter(|text| !text.is_empty()) {
        let found = match text.parse() {
            Ok(number) => find_user(&mut conn, &member, number).await?,
            Err(_) => None,
        };
        filter.user_id = Some(found.ok_or_else(|| missing("User not found"))?);
    }
    if let Some(text) = query
        .organization_id
        .as_deref()
        .filter(|text| !text.is_empty())
    {
        let own = directory::find_organization_number(&mut conn, member.organization_id).await?;
        if own.is_none() || text.parse().ok() != own {
            return Err(missing("Organization not found"));
        }
    }
    let now = state.now();
    filter.since = model::summary_start(period, now, state.usage.utc_offset_minutes);
    let rows = store::sum_by_model(&mut conn, member.organization_id, &filter).await?;
    Ok(HttpResponse::Ok().json(UsageSummaryResponse {
        period: period.to_owned(),
        start_date: filter.since,
        end_date: now,
        summary: UsageSummary::of(rows),
    }))
}

fn missing(text: &'static str) -> ApiError {
    ApiError::not_found("usage.scope_not_found", text).contract(json!({ "error": text }))
}

/// Filters of the limits.
#[derive(Debug, Deserialize)]
pub(crate) struct LimitQuery {
    scope: Option<String>,
    scope_id: Option<String>,
    period: Option<String>,
    #[serde(flatten)]
    page: wire::PageFields,
}

/// Limits of the organisation.
#[utoipa::path(get, path = "/api/ai/usage-limits/", tag = "usage", security(("access" = [])),
    params(("scope" = Option<String>, Query), ("scope_id" = Option<i64>, Query), ("period" = Option<String>, Query),
        ("page" = Option<i64>, Query)),
    responses((status = 200, body = Page<LimitResponse>)))]
pub(crate) async fn list_usage_limits(
    request: HttpRequest,
    member: Member<ReadContent>,
    query: Query<LimitQuery>,
    state: Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    let page = query.page.parse()?;
    let filter = LimitFilter {
        scope: wire::choice_filter("scope", query.scope.as_deref(), SCOPES)?,
        scope_number: wire::number_filter("scope_id", query.scope_id.as_deref())?,
        period: wire::choice_filter("period", query.period.as_deref(), PERIODS)?,
    };
    let mut conn = state.stack.db.get().await?;
    let window = (page.limit(), page.offset());
    let (total, rows) =
        limit_store::list_limits(&mut conn, member.organization_id, &filter, window).await?;
    let items: Vec<LimitResponse> = rows.into_iter().map(LimitRow::show).collect();
    Ok(HttpResponse::Ok().json(paginate(&request, &page, total, items)?))
}

/// A new limit.
#[utoipa::path(post, path = "/api/ai/usage-limits/", tag = "usage", security(("access" = [])),
    request_body = CreateLimitRequest, responses((status = 201, body = LimitResponse), (status = 400), (status = 403)))]
pub(crate) async fn create_usage_limit(
    member: Member<AdministerContent>,
    body: Json<CreateLimitRequest>,
    state: Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    UpdateLimitRequest::from(body.0.clone()).check()?;
    Ok(HttpResponse::Created().json(service::create_limit(&state, &member, &body).await?))
}

/// One limit.
#[utoipa::path(get, path = "/api/ai/usage-limits/{id}/", tag = "usage", security(("access" = [])),
    params(("id" = i64, Path)), responses((status = 200, body = LimitResponse), (status = 404)))]
pub(crate) async fn show_usage_limit(
    member: Member<ReadContent>,
    number: Path<i64>,
    state: Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    let mut conn = state.stack.db.get().await?;
    let row = limit_store::find_limit(&mut conn, member.organization_id, *number)
        .await?
        .ok_or(UsageError::NotFound)?;
    Ok(HttpResponse::Ok().json(row.show()))
}

/// Changes all bounds of a limit.
#[utoipa::path(put, path = "/api/ai/usage-limits/{id}/", tag = "usage", security(("access" = [])),
    params(("id" = i64, Path)), request_body = CreateLimitRequest,
    responses((status = 200, body = LimitResponse), (status = 400), (status = 403), (status = 404)))]
pub(crate) async fn replace_usage_limit(
    member: Member<AdministerContent>,
    number: Path<i64>,
    body: Json<CreateLimitRequest>,
    state: Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    let changes: UpdateLimitRequest = body.into_inner().into();
    changes.check()?;
    Ok(HttpResponse::Ok().json(service::update_limit(&state, &member, *number, &changes).await?))
}

/// Changes bounds of a limit.
#[utoipa::path(patch, path = "/api/ai/usage-limits/{id}/", tag = "usage", security(("access" = [])),
    params(("id" = i64, Path)), request_body = UpdateLimitRequest,
    responses((status = 200, body = LimitResponse), (status = 400), (status = 403), (status = 404)))]
pub(crate) async fn update_usage_limit(
    member: Member<AdministerContent>,
    number: Path<i64>,
    body: Json<UpdateLimitRequest>,
    state: Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    body.check()?;
    Ok(HttpResponse::Ok().json(service::update_limit(&state, &member, *number, &body).await?))
}

/// Removes a limit.
#[utoipa::path(delete, path = "/api/ai/usage-limits/{id}/", tag = "usage", security(("access" = [])),
    params(("id" = i64, Path)), responses((status = 204), (status = 403), (status = 404)))]
pub(crate) async fn delete_usage_limit(
    member: Member<AdministerContent>,
    number: Path<i64>,
    state: Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    service::delete_limit(&state, &member, *number).await?;
    Ok(HttpResponse::NoContent().finish())
}
