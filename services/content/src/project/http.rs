//! `/api/projects/` (C01, wire.md 6.2).

use actix_web::{HttpRequest, HttpResponse, web::Data};
use common_types::{Page, ordering};
use serde::Deserialize;
use service_http::{ApiError, Json, Path, Query, paginate};

use super::{
    CreateProjectRequest, ProjectResponse, UpdateProjectRequest,
    error::ProjectError,
    service,
    store::{self, ProjectFilter},
};
use crate::{
    AppState,
    actor::Member,
    directory::store as directory,
    roles::{CreateContent, EditContent, ReadContent},
    wire,
};

/// Filters of the list.
#[derive(Debug, Deserialize)]
pub(crate) struct ProjectQuery {
    workspace: Option<String>,
    is_active: Option<String>,
    #[serde(flatten)]
    page: wire::PageFields,
}

/// Projects of the organisation.
#[utoipa::path(get, path = "/api/projects/", tag = "projects", security(("access" = [])),
    params(("workspace" = Option<i64>, Query), ("is_active" = Option<bool>, Query), ("search" = Option<String>, Query),
        ("ordering" = Option<String>, Query), ("page" = Option<i64>, Query), ("page_size" = Option<i64>, Query)),
    responses((status = 200, body = Page<ProjectResponse>)))]
pub(crate) async fn list_projects(
    request: HttpRequest,
    member: Member<ReadContent>,
    query: Query<ProjectQuery>,
    state: Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    let page = query.page.parse()?;
    let mut conn = state.stack.db.get().await?;
    let workspace_id = match wire::number_filter("workspace", query.workspace.as_deref())? {
        Some(number) => {
            let found =
                directory::find_workspace(&mut conn, member.organization_id, number).await?;
            Some(found.ok_or_else(|| wire::no_choice("workspace"))?.id)
        }
        None => None,
    };
    let filter = ProjectFilter {
        workspace_id,
        is_active: wire::bool_filter(query.is_active.as_deref()),
        search: page.search(),
        order: ordering::parse(
            page.ordering.as_deref().unwrap_or_default(),
            &["name", "created_at"],
        ),
        limit: page.limit(),
        offset: page.offset(),
    };
    let (total, rows) = store::list_projects(&mut conn, member.organization_id, &filter).await?;
    let items = store::show(&mut conn, rows).await?;
    Ok(HttpResponse::Ok().json(paginate(&request, &page, total, items)?))
}

/// A new project.
#[utoipa::path(post, path = "/api/projects/", tag = "projects", security(("access" = [])),
    request_body = CreateProjectRequest, responses((status = 201, body = ProjectResponse), (status = 400), (status = 403)))]
pub(crate) async fn create_project(
    member: Member<CreateContent>,
    body: Json<CreateProjectRequest>,
    state: Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    body.check()?;
    Ok(HttpResponse::Created().json(service::create_project(&state, &member, &body).await?))
}

/// One project.
#[utoipa::path(get, path = "/api/projects/{id}/", tag = "projects", security(("access" = [])),
    params(("id" = i64, Path)), responses((status = 200, body = ProjectResponse), (status = 404)))]
pub(crate) async fn show_project(
    member: Member<ReadContent>,
    number: Path<i64>,
    state: Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    let mut conn = state.stack.db.get().await?;
    let row = store::find_project(&mut conn, member.organization_id, *number)
        .await?
        .ok_or(ProjectError::NotFound)?;
    let shown = store::show(&mut conn, vec![row])
        .await?
        .pop()
        .ok_or(ProjectError::NotFound)?;
    Ok(HttpResponse::Ok().json(shown))
}

/// Changes the whole project.
#[utoipa::path(put, path = "/api/projects/{id}/", tag = "projects", security(("access" = [])), params(("id" = i64, Path)),
    request_body = CreateProjectRequest, responses((status = 200, body = ProjectResponse), (status = 400), (status = 404)))]
pub(crate) async fn replace_project(
    member: Member<EditContent>,
    number: Path<i64>,
    body: Json<CreateProjectRequest>,
    state: Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    body.check()?;
    let changes = body.into_inner().into();
    Ok(HttpResponse::Ok().json(service::update_project(&state, &member, *number, &changes).await?))
}

/// Changes parts of the project.
#[utoipa::path(patch, path = "/api/projects/{id}/", tag = "projects", security(("access" = [])), params(("id" = i64, Path)),
    request_body = UpdateProjectRequest, responses((status = 200, body = ProjectResponse), (status = 400), (status = 404)))]
pub(crate) async fn update_project(
    member: Member<EditContent>,
    number: Path<i64>,
    body: Json<UpdateProjectRequest>,
    state: Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    body.check()?;
    Ok(HttpResponse::Ok().json(service::update_project(&state, &member, *number, &body).await?))
}

/// Deletes a project without contents.
#[utoipa::path(delete, path = "/api/projects/{id}/", tag = "projects", security(("access" = [])),
    params(("id" = i64, Path)), responses((status = 204), (status = 404), (status = 409)))]
pub(crate) async fn delete_project(
    member: Member<EditContent>,
    number: Path<i64>,
    state: Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    service::delete_project(&state, &member, *number).await?;
    Ok(HttpResponse::NoContent().finish())
}
