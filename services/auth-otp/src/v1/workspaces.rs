//! `/api/v1/organizations/{id}/workspaces`.

use actix_web::{HttpResponse, web};
use common_types::AccessClaims;
use service_http::{ApiError, Caller, Json, Path};

use super::envelope;
use super::organizations::slug;
use crate::organization::actions as organizations;
use crate::state::AppState;
use crate::workspace::actions;
use crate::workspace::dto::{WorkspaceRequest, WorkspaceResponse};
use crate::workspace::store::{self, WorkspaceQuery, WorkspaceRow};

/// More workspaces than an organisation's page can show.
const MOST: i64 = 500;

/// The open workspaces of one of the caller's organisations, the oldest first, at most 500.
#[utoipa::path(get, path = "/api/v1/organizations/{id}/workspaces", tag = "contexor pages", operation_id = "v1_list_workspaces",
    params(("id" = i64, Path, description = "The organisation's number")),
    responses((status = 200, body = Vec<WorkspaceResponse>), (status = 401), (status = 404)))]
pub async fn list_workspaces(
    state: web::Data<AppState>,
    caller: Caller,
    id: Path<i64>,
) -> Result<HttpResponse, ApiError> {
    let mut conn = state.stack.db.get().await?;
    let (organization, _) = organizations::visible(&mut conn, &caller, *id).await?;
    let query = WorkspaceQuery {
        organization: Some(organization.id),
        is_active: Some(true),
        ordering: "created_at",
        limit: MOST,
        ..WorkspaceQuery::default()
    };
    let (_, rows) = store::list_workspaces(&mut conn, &query).await?;
    let shown: Vec<WorkspaceResponse> = rows.into_iter().map(WorkspaceResponse::from).collect();
    Ok(envelope::ok(shown))
}

/// Makes a workspace; admins of the organisation only. An absent or empty slug is made up.
#[utoipa::path(post, path = "/api/v1/organizations/{id}/workspaces", tag = "contexor pages", operation_id = "v1_create_workspace",
    params(("id" = i64, Path, description = "The organisation's number")), request_body = WorkspaceRequest,
    responses((status = 201, body = WorkspaceResponse), (status = 400), (status = 401), (status = 403), (status = 404)))]
pub async fn create_workspace(
    state: web::Data<AppState>,
    caller: Caller,
    id: Path<i64>,
    body: Json<WorkspaceRequest>,
) -> Result<HttpResponse, ApiError> {
    let mut conn = state.stack.db.get().await?;
    organizations::visible(&mut conn, &caller, *id).await?;
    drop(conn);
    let mut body = body.into_inner();
    body.organization = Some(*id);
    body.slug = Some(slug(body.slug, body.name.as_deref()));
    let row = actions::create(&state, &caller, body).await?;
    Ok(envelope::created(WorkspaceResponse::from(row)))
}

/// One workspace.
#[utoipa::path(get, path = "/api/v1/organizations/{id}/workspaces/{workspace}", tag = "contexor pages", operation_id = "v1_get_workspace",
    params(("id" = i64, Path, description = "The organisation's number"), ("workspace" = i64, Path, description = "The number")),
    responses((status = 200, body = WorkspaceResponse), (status = 401), (status = 404)))]
pub async fn get_workspace(
    state: web::Data<AppState>,
    caller: Caller,
    path: Path<(i64, i64)>,
) -> Result<HttpResponse, ApiError> {
    let row = visible(&state, &caller, *path).await?;
    Ok(envelope::ok(WorkspaceResponse::from(row)))
}

/// Changes a workspace; admins only.
#[utoipa::path(patch, path = "/api/v1/organizations/{id}/workspaces/{workspace}", tag = "contexor pages", operation_id = "v1_update_workspace",
    params(("id" = i64, Path, description = "The organisation's number"), ("workspace" = i64, Path, description = "The number")),
    request_body = WorkspaceRequest,
    responses((status = 200, body = WorkspaceResponse), (status = 400), (status = 401), (status = 403), (status = 404)))]
pub async fn update_workspace(
    state: web::Data<AppState>,
    caller: Caller,
    path: Path<(i64, i64)>,
    body: Json<WorkspaceRequest>,
) -> Result<HttpResponse, ApiError> {
    visible(&state, &caller, *path).await?;
    let row = actions::administered(&state, &caller, path.1).await?;
    let row = actions::update(&state, &caller, row, body.into_inner()).await?;
    Ok(envelope::ok(WorkspaceResponse::from(row)))
}

/// Deletes a workspace; admins only.
#[utoipa::path(delete, path = "/api/v1/organizations/{id}/workspaces/{workspace}", tag = "contexor pages", operation_id = "v1_delete_workspace",
    params(("id" = i64, Path, description = "The organisation's number"), ("workspace" = i64, Path, description = "The number")),
    responses((status = 204), (status = 401), (status = 403), (status = 404)))]
pub async fn delete_workspace(
    state: web::Data<AppState>,
    caller: Caller,
    path: Path<(i64, i64)>,
) -> Result<HttpResponse, ApiError> {
    visible(&state, &caller, *path).await?;
    let row = actions::administered(&state, &caller, path.1).await?;
    actions::delete(&state, &caller, &row).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// The workspace, when it belongs to the organisation of the path and the caller sees it.
async fn visible(
    state: &AppState,
    caller: &AccessClaims,
    (organization, workspace): (i64, i64),
) -> Result<WorkspaceRow, ApiError> {
    let mut conn = state.stack.db.get().await?;
    let (row, _) = actions::visible(&mut conn, caller, workspace).await?;
    if row.organization_number == organization {
        Ok(row)
    } else {
        Err(ApiError::no_match("auth.object_missing", "Workspace"))
    }
}
