//! `/api/auth/workspaces/` (A08, A15; wire.md 6.2).

use actix_web::{HttpRequest, HttpResponse, web};
use service_http::{ApiError, Caller, Json, PageQuery, Path, Query, paginate};

use super::actions;
use super::dto::{WorkspaceFilter, WorkspaceRequest, WorkspaceResponse};
use super::store::{self, WorkspaceQuery};
use crate::organization::dto::boolean;
use crate::organization::filter;
use crate::state::AppState;

/// Workspaces of the caller's organisations.
#[utoipa::path(get, path = "/api/auth/workspaces/", tag = "organizations", operation_id = "list_workspaces",
    responses((status = 200, description = "A page of workspaces")))]
pub async fn list_workspaces(
    state: web::Data<AppState>,
    caller: Caller,
    request: HttpRequest,
    page: Query<PageQuery>,
    wanted: Query<WorkspaceFilter>,
) -> Result<HttpResponse, ApiError> {
    let mut conn = state.stack.db.get().await?;
    let organization =
        filter::organization(&mut conn, &caller, wanted.organization.as_deref()).await?;
    let query = WorkspaceQuery {
        seen_by: (!caller.superuser).then_some(caller.sub),
        organization,
        is_active: boolean(wanted.is_active.as_deref()),
        search: page.search(),
        ordering: page.ordering.as_deref().unwrap_or_default(),
        offset: page.offset(),
        limit: page.limit(),
    };
    let (count, rows) = store::list_workspaces(&mut conn, &query).await?;
    let shown = rows.into_iter().map(WorkspaceResponse::from).collect();
    Ok(HttpResponse::Ok().json(paginate(&request, &page, count, shown)?))
}

/// Makes a workspace; admins of the organisation only.
#[utoipa::path(post, path = "/api/auth/workspaces/", tag = "organizations", operation_id = "create_workspace",
    request_body = WorkspaceRequest, responses((status = 201, body = WorkspaceResponse), (status = 400), (status = 403)))]
pub async fn create_workspace(
    state: web::Data<AppState>,
    caller: Caller,
    body: Json<WorkspaceRequest>,
) -> Result<HttpResponse, ApiError> {
    let row = actions::create(&state, &caller, body.into_inner()).await?;
    Ok(HttpResponse::Created().json(WorkspaceResponse::from(row)))
}

/// One workspace of the caller's organisations.
#[utoipa::path(get, path = "/api/auth/workspaces/{id}/", tag = "organizations", operation_id = "get_workspace",
    params(("id" = i64, Path, description = "The number")), responses((status = 200, body = WorkspaceResponse), (status = 404)))]
pub async fn get_workspace(
    state: web::Data<AppState>,
    caller: Caller,
    id: Path<i64>,
) -> Result<HttpResponse, ApiError> {
    let mut conn = state.stack.db.get().await?;
    let (row, _) = actions::visible(&mut conn, &caller, *id).await?;
    Ok(HttpResponse::Ok().json(WorkspaceResponse::from(row)))
}

/// Changes a workspace; admins only.
#[utoipa::path(patch, path = "/api/auth/workspaces/{id}/", tag = "organizations", operation_id = "update_workspace",
    params(("id" = i64, Path, description = "The number")), request_body = WorkspaceRequest,
    responses((status = 200, body = WorkspaceResponse), (status = 400), (status = 403), (status = 404)))]
pub async fn update_workspace(
    state: web::Data<AppState>,
    caller: Caller,
    id: Path<i64>,
    body: Json<WorkspaceRequest>,
) -> Result<HttpResponse, ApiError> {
    let row = actions::administered(&state, &caller, *id).await?;
    let row = actions::update(&state, &caller, row, body.into_inner()).await?;
    Ok(HttpResponse::Ok().json(WorkspaceResponse::from(row)))
}

/// Deletes a workspace; admins only.
#[utoipa::path(delete, path = "/api/auth/workspaces/{id}/", tag = "organizations", operation_id = "delete_workspace",
    params(("id" = i64, Path, description = "The number")), responses((status = 204), (status = 403), (status = 404)))]
pub async fn delete_workspace(
    state: web::Data<AppState>,
    caller: Caller,
    id: Path<i64>,
) -> Result<HttpResponse, ApiError> {
    let row = actions::administered(&state, &caller, *id).await?;
    actions::delete(&state, &caller, &row).await?;
    Ok(HttpResponse::NoContent().finish())
}
