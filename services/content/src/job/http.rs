//! `/api/ai/jobs/`: read only (wire.md 6.2).

use actix_web::{HttpRequest, HttpResponse, web::Data};
use common_types::{Page, ordering};
use serde::Deserialize;
use service_http::{ApiError, Path, Query, paginate};

use super::store::{self, JobFilter, JobResponse, STATUSES};
use crate::{
    AppState, actor::Member, content::store as content, directory::store as directory,
    roles::ReadContent, wire,
};

const KINDS: &[&str] = &["outline", "draft", "rewrite", "caption"];

/// Filters of the list.
#[derive(Debug, Deserialize)]
pub(crate) struct JobQuery {
    content: Option<String>,
    user: Option<String>,
    workspace: Option<String>,
    status: Option<String>,
    kind: Option<String>,
    #[serde(flatten)]
    page: wire::PageFields,
}

/// Jobs of the organisation, newest first.
#[utoipa::path(get, path = "/api/ai/jobs/", tag = "ai", security(("access" = [])),
    params(("content" = Option<i64>, Query), ("user" = Option<i64>, Query), ("workspace" = Option<i64>, Query),
        ("status" = Option<String>, Query), ("kind" = Option<String>, Query), ("ordering" = Option<String>, Query),
        ("page" = Option<i64>, Query)),
    responses((status = 200, body = Page<JobResponse>)))]
pub(crate) async fn list_jobs(
    request: HttpRequest,
    member: Member<ReadContent>,
    query: Query<JobQuery>,
    state: Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    let page = query.page.parse()?;
    let organization_id = member.organization_id;
    let mut conn = state.stack.db.get().await?;
    let mut filter = JobFilter {
        status: wire::choice_filter("status", query.status.as_deref(), STATUSES)?,
        kind: wire::choice_filter("kind", query.kind.as_deref(), KINDS)?,
        order: ordering::parse(
            page.ordering.as_deref().unwrap_or_default(),
            &["created_at", "started_at", "completed_at"],
        ),
        limit: page.limit(),
        offset: page.offset(),
        ..JobFilter::default()
    };
    if let Some(number) = wire::number_filter("content", query.content.as_deref())? {
        let found = content::find_content(&mut conn, organization_id, number).await?;
        filter.content_id = Some(found.ok_or_else(|| wire::no_choice("content"))?.id);
    }
    if let Some(number) = wire::number_filter("user", query.user.as_deref())? {
        let found = directory::find_member(&mut conn, organization_id, number).await?;
        filter.user_id = Some(found.ok_or_else(|| wire::no_choice("user"))?.id);
    }
    if let Some(number) = wire::number_filter("workspace", query.workspace.as_deref())? {
        let found = directory::find_workspace(&mut conn, organization_id, number).await?;
        filter.workspace_id = Some(found.ok_or_else(|| wire::no_choice("workspace"))?.id);
    }
    let (total, rows) = store::list_jobs(&mut conn, organization_id, &filter).await?;
    let items = store::show(&mut conn, rows).await?;
    Ok(HttpResponse::Ok().json(paginate(&request, &page, total, items)?))
}

/// One job.
#[utoipa::path(get, path = "/api/ai/jobs/{id}/", tag = "ai", security(("access" = [])), params(("id" = i64, Path)),
    responses((status = 200, body = JobResponse), (status = 404)))]
pub(crate) async fn show_job(
    member: Member<ReadContent>,
    number: Path<i64>,
    state: Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    let not_found = || ApiError::no_match("job.not_found", "AiJob");
    let mut conn = state.stack.db.get().await?;
    let row = store::find_job(&mut conn, member.organization_id, *number)
        .await?
        .ok_or_else(not_found)?;
    Ok(HttpResponse::Ok().json(
        store::show(&mut conn, vec![row])
            .await?
            .pop()
            .ok_or_else(not_found)?,
    ))
}
