//! `/api/auth/organizations/` (A08, A15; wire.md 6.2).

use actix_web::{HttpRequest, HttpResponse, web};
use service_http::{ApiError, Caller, Json, PageQuery, Path, Query, SensitiveCaller, paginate};

use super::actions;
use super::dto::{OrganizationFilter, OrganizationRequest, OrganizationResponse, boolean};
use super::store::{self, OrganizationQuery};
use crate::state::AppState;

/// The caller's organisations; all of them for superusers.
#[utoipa::path(get, path = "/api/auth/organizations/", tag = "organizations", operation_id = "list_organizations",
    responses((status = 200, description = "A page of organisations")))]
pub async fn list_organizations(
    state: web::Data<AppState>,
    caller: Caller,
    request: HttpRequest,
    page: Query<PageQuery>,
    filter: Query<OrganizationFilter>,
) -> Result<HttpResponse, ApiError> {
    let mut conn = state.stack.db.get().await?;
    let query = OrganizationQuery {
        member: (!caller.superuser).then_some(caller.sub),
        is_active: boolean(filter.is_active.as_deref()),
        search: page.search(),
        ordering: page.ordering.as_deref().unwrap_or_default(),
        offset: page.offset(),
        limit: page.limit(),
    };
    let (count, rows) = store::list_organizations(&mut conn, &query).await?;
    let shown = actions::show_all(&mut conn, rows).await?;
    Ok(HttpResponse::Ok().json(paginate(&request, &page, count, shown)?))
}

/// Makes an organisation; the caller becomes its content admin.
#[utoipa::path(post, path = "/api/auth/organizations/", tag = "organizations", operation_id = "create_organization",
    request_body = OrganizationRequest, responses((status = 201, body = OrganizationResponse), (status = 400)))]
pub async fn create_organization(
    state: web::Data<AppState>,
    caller: Caller,
    body: Json<OrganizationRequest>,
) -> Result<HttpResponse, ApiError> {
    let made = actions::create(&state, &caller, body.into_inner()).await?;
    Ok(HttpResponse::Created().json(made))
}

/// One of the caller's organisations.
#[utoipa::path(get, path = "/api/auth/organizations/{id}/", tag = "organizations", operation_id = "get_organization",
    params(("id" = i64, Path, description = "The number")), responses((status = 200, body = OrganizationResponse), (status = 404)))]
pub async fn get_organization(
    state: web::Data<AppState>,
    caller: Caller,
    id: Path<i64>,
) -> Result<HttpResponse, ApiError> {
    let mut conn = state.stack.db.get().await?;
    let (row, _) = actions::visible(&mut conn, &caller, *id).await?;
    Ok(HttpResponse::Ok().json(actions::show(&mut conn, row).await?))
}

/// Changes an organisation; its admins only. Closing it ends its members' access tokens.
#[utoipa::path(patch, path = "/api/auth/organizations/{id}/", tag = "organizations", operation_id = "update_organization",
    params(("id" = i64, Path, description = "The number")), request_body = OrganizationRequest,
    responses((status = 200, body = OrganizationResponse), (status = 400), (status = 403), (status = 404)))]
pub async fn update_organization(
    state: web::Data<AppState>,
    caller: SensitiveCaller,
    id: Path<i64>,
    body: Json<OrganizationRequest>,
) -> Result<HttpResponse, ApiError> {
    let changed = actions::update(&state, &caller, *id, body.into_inner()).await?;
    Ok(HttpResponse::Ok().json(changed))
}

/// Closes an organisation: what hangs on it stays readable for its record. Superusers and its admins.
#[utoipa::path(delete, path = "/api/auth/organizations/{id}/", tag = "organizations", operation_id = "delete_organization",
    params(("id" = i64, Path, description = "The number")), responses((status = 204), (status = 403), (status = 404)))]
pub async fn delete_organization(
    state: web::Data<AppState>,
    caller: SensitiveCaller,
    id: Path<i64>,
) -> Result<HttpResponse, ApiError> {
    actions::close(&state, &caller, *id).await?;
    Ok(HttpResponse::NoContent().finish())
}
