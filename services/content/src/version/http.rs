//! `/api/versions/`, `/api/content-versions/`, `/api/contents/{id}/versions/`: read only (C01, wire.md 6.2).

use actix_web::{HttpRequest, HttpResponse, web::Data};
use common_types::Page;
use diesel_async::AsyncPgConnection;
use serde::Deserialize;
use service_http::{ApiError, PageQuery, Path, Query, paginate};
use uuid::Uuid;

use super::store::{self, ContentVersionResponse, VersionFilter, VersionResponse, VersionRow};
use crate::{
    AppState,
    actor::Member,
    content::{error::ContentError, store as content},
    job::store as job,
    roles::ReadContent,
    wire,
};

/// Most versions that the bare list of one content holds.
const MAX_BARE: i64 = 1000;

/// Filters of the lists.
#[derive(Debug, Deserialize)]
pub(crate) struct VersionQuery {
    content: Option<String>,
    ai_job: Option<String>,
    #[serde(flatten)]
    page: wire::PageFields,
}

async fn filtered(
    conn: &mut AsyncPgConnection,
    organization_id: Uuid,
    query: &VersionQuery,
    page: &PageQuery,
) -> Result<(i64, Vec<VersionRow>), ApiError> {
    let mut filter = VersionFilter {
        limit: page.limit(),
        offset: page.offset(),
        ..VersionFilter::default()
    };
    if let Some(number) = wire::number_filter("content", query.content.as_deref())? {
        let found = content::find_content(conn, organization_id, number).await?;
        filter.content_id = Some(found.ok_or_else(|| wire::no_choice("content"))?.id);
    }
    if let Some(number) = wire::number_filter("ai_job", query.ai_job.as_deref())? {
        let found = job::find_job(conn, organization_id, number).await?;
        filter.ai_job_id = Some(found.ok_or_else(|| wire::no_choice("ai_job"))?.id);
    }
    Ok(store::list_versions(conn, organization_id, &filter).await?)
}

fn not_found() -> ApiError {
    ApiError::no_match("version.not_found", "Version")
}

/// Versions of the organisation's contents, newest first.
#[utoipa::path(get, path = "/api/versions/", tag = "versions", security(("access" = [])),
    params(("content" = Option<i64>, Query), ("page" = Option<i64>, Query)),
    responses((status = 200, body = Page<VersionResponse>)))]
pub(crate) async fn list_versions(
    request: HttpRequest,
    member: Member<ReadContent>,
    query: Query<VersionQuery>,
    state: Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    let page = query.page.parse()?;
    let mut conn = state.stack.db.get().await?;
    let (total, rows) = filtered(&mut conn, member.organization_id, &query, &page).await?;
    let items = store::show(&mut conn, rows).await?;
    Ok(HttpResponse::Ok().json(paginate(&request, &page, total, items)?))
}

/// One version with its snapshot.
#[utoipa::path(get, path = "/api/versions/{id}/", tag = "versions", security(("access" = [])), params(("id" = i64, Path)),
    responses((status = 200, body = VersionResponse), (status = 404)))]
pub(crate) async fn show_version(
    member: Member<ReadContent>,
    number: Path<i64>,
    state: Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    let mut conn = state.stack.db.get().await?;
    let row = store::find_version(&mut conn, member.organization_id, *number)
        .await?
        .ok_or_else(not_found)?;
    Ok(HttpResponse::Ok().json(
        store::show(&mut conn, vec![row])
            .await?
            .pop()
            .ok_or_else(not_found)?,
    ))
}

/// Versions with their texts, newest first.
#[utoipa::path(get, path = "/api/content-versions/", tag = "versions", security(("access" = [])),
    params(("content" = Option<i64>, Query), ("ai_job" = Option<i64>, Query), ("page" = Option<i64>, Query)),
    responses((status = 200, body = Page<ContentVersionResponse>)))]
pub(crate) async fn list_content_versions(
    request: HttpRequest,
    member: Member<ReadContent>,
    query: Query<VersionQuery>,
    state: Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    let page = query.page.parse()?;
    let mut conn = state.stack.db.get().await?;
    let (total, rows) = filtered(&mut conn, member.organization_id, &query, &page).await?;
    let items = store::show_content_versions(&mut conn, rows).await?;
    Ok(HttpResponse::Ok().json(paginate(&request, &page, total, items)?))
}

/// One version with its text.
#[utoipa::path(get, path = "/api/content-versions/{id}/", tag = "versions", security(("access" = [])),
    params(("id" = i64, Path)), responses((status = 200, body = ContentVersionResponse), (status = 404)))]
pub(crate) async fn show_content_version(
    member: Member<ReadContent>,
    number: Path<i64>,
    state: Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    let mut conn = state.stack.db.get().await?;
    let row = store::find_version(&mut conn, member.organization_id, *number)
        .await?
        .ok_or_else(not_found)?;
    let shown = store::show_content_versions(&mut conn, vec![row])
        .await?
        .pop()
        .ok_or_else(not_found)?;
    Ok(HttpResponse::Ok().json(shown))
}

/// Every version of one content, newest first; a bare list.
#[utoipa::path(get, path = "/api/contents/{id}/versions/", tag = "versions", security(("access" = [])),
    params(("id" = i64, Path)), responses((status = 200, body = Vec<ContentVersionResponse>), (status = 404)))]
pub(crate) async fn list_versions_of_content(
    member: Member<ReadContent>,
    number: Path<i64>,
    state: Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    let mut conn = state.stack.db.get().await?;
    let row = content::find_content(&mut conn, member.organization_id, *number)
        .await?
        .ok_or(ContentError::NotFound)?;
    let filter = VersionFilter {
        content_id: Some(row.id),
        limit: MAX_BARE,
        ..VersionFilter::default()
    };
    let (_, rows) = store::list_versions(&mut conn, member.organization_id, &filter).await?;
    Ok(HttpResponse::Ok().json(store::show_content_versions(&mut conn, rows).await?))
}
