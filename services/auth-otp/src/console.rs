//! What the staff console sees of people and organisations: `/api/admin/auth-otp/{users,organizations}/` (decisions.md
//! 37). Platform-wide, so for superusers; a clinic's admins have `/api/auth/users/` and `/api/auth/organizations/`. The
//! history of each is the shared `/api/admin/auth-otp/audit/?subject=`.

use actix_web::web::{self, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use serde::{Deserialize, Serialize};
use service_http::{Allowed, ApiError, PageQuery, Path, Query, Superuser, paginate};
use utoipa::{OpenApi, ToSchema};
use uuid::Uuid;

use crate::organization::dto::{OrganizationFilter, OrganizationResponse, boolean};
use crate::organization::store::{self as organizations, OrganizationQuery};
use crate::organization::{actions, filter};
use crate::state::AppState;
use crate::user::dto::MeResponse;
use crate::user::staff::dto::StaffUserResponse;
use crate::user::staff::store::{self as staff, Sight, StaffQuery};
use crate::user::store as users;

/// Filters of the list of people.
#[derive(Debug, Default, Deserialize)]
pub struct PeopleFilter {
    /// Roles shown and filtered are those in this organisation, by number.
    pub organization: Option<String>,
    /// CIMEF's role word.
    pub role: Option<String>,
    /// Open or closed accounts.
    pub is_active: Option<String>,
}

/// A membership of a person.
#[derive(Debug, Serialize, ToSchema)]
pub struct StandingResponse {
    /// The organisation's number.
    pub organization: i64,
    /// The organisation's id.
    pub organization_id: Uuid,
    /// Clinic role.
    pub clinic_role: Option<&'static str>,
    /// Content role.
    pub content_role: Option<&'static str>,
}

/// A person with every living membership.
#[derive(Debug, Serialize, ToSchema)]
pub struct PersonResponse {
    /// The person, standing in the first organisation.
    pub user: MeResponse,
    /// Every living membership in an open organisation.
    pub memberships: Vec<StandingResponse>,
}

/// Everybody on the platform.
#[utoipa::path(get, path = "/api/admin/auth-otp/users/", tag = "console", operation_id = "console_list_users",
    responses((status = 200, description = "A page of users"), (status = 403)))]
pub async fn list_users(
    state: web::Data<AppState>,
    caller: Allowed<Superuser>,
    request: HttpRequest,
    page: Query<PageQuery>,
    wanted: Query<PeopleFilter>,
) -> Result<HttpResponse, ApiError> {
    let mut conn = state.stack.db.get().await?;
    let organization =
        filter::organization(&mut conn, &caller, wanted.organization.as_deref()).await?;
    let query = StaffQuery {
        sight: Sight::Everybody,
        caller: caller.sub,
        organization,
        role: wanted.role.as_deref().filter(|role| !role.is_empty()),
        is_active: boolean(wanted.is_active.as_deref()),
        search: page.search(),
        ordering: page.ordering.as_deref().unwrap_or("-id"),
        offset: page.offset(),
        limit: page.limit(),
    };
    let (count, rows) = staff::list_staff(&mut conn, &query).await?;
    let shown = rows
        .into_iter()
        .map(|row| StaffUserResponse::new(row, organization))
        .collect();
    Ok(HttpResponse::Ok().json(paginate(&request, &page, count, shown)?))
}

/// One person.
#[utoipa::path(get, path = "/api/admin/auth-otp/users/{id}/", tag = "console", operation_id = "console_get_user",
    params(("id" = Uuid, Path, description = "The user")), responses((status = 200, body = PersonResponse), (status = 403), (status = 404)))]
pub async fn get_user(
    state: web::Data<AppState>,
    _caller: Allowed<Superuser>,
    id: Path<Uuid>,
) -> Result<HttpResponse, ApiError> {
    let mut conn = state.stack.db.get().await?;
    let user = users::find_user(&mut conn, *id)
        .await?
        .ok_or_else(|| ApiError::no_match("auth.user_missing", "User"))?;
    let standings = users::list_standings(&mut conn, user.id).await?;
    let groups = users::list_groups(&mut conn, user.id).await?;
    let memberships = standings
        .iter()
        .map(|standing| StandingResponse {
            organization: standing.organization_number,
            organization_id: standing.organization_id,
            clinic_role: standing.clinic_role.map(|role| role.as_str()),
            content_role: standing.content_role.map(|role| role.as_str()),
        })
        .collect();
    Ok(HttpResponse::Ok().json(PersonResponse {
        user: MeResponse::new(&user, standings.first(), 0, groups),
        memberships,
    }))
}

/// Every organisation of the platform.
#[utoipa::path(get, path = "/api/admin/auth-otp/organizations/", tag = "console", operation_id = "console_list_organizations",
    responses((status = 200, description = "A page of organisations"), (status = 403)))]
pub async fn list_organizations(
    state: web::Data<AppState>,
    _caller: Allowed<Superuser>,
    request: HttpRequest,
    page: Query<PageQuery>,
    wanted: Query<OrganizationFilter>,
) -> Result<HttpResponse, ApiError> {
    let mut conn = state.stack.db.get().await?;
    let query = OrganizationQuery {
        member: None,
        is_active: boolean(wanted.is_active.as_deref()),
        search: page.search(),
        ordering: page.ordering.as_deref().unwrap_or_default(),
        offset: page.offset(),
        limit: page.limit(),
    };
    let (count, rows) = organizations::list_organizations(&mut conn, &query).await?;
    let shown = actions::show_all(&mut conn, rows).await?;
    Ok(HttpResponse::Ok().json(paginate(&request, &page, count, shown)?))
}

/// One organisation.
#[utoipa::path(get, path = "/api/admin/auth-otp/organizations/{id}/", tag = "console", operation_id = "console_get_organization",
    params(("id" = Uuid, Path, description = "The organisation")),
    responses((status = 200, body = OrganizationResponse), (status = 403), (status = 404)))]
pub async fn get_organization(
    state: web::Data<AppState>,
    _caller: Allowed<Superuser>,
    id: Path<Uuid>,
) -> Result<HttpResponse, ApiError> {
    let mut conn = state.stack.db.get().await?;
    let row = organizations::find_organization_by_id(&mut conn, *id)
        .await?
        .ok_or_else(|| ApiError::no_match("auth.object_missing", "Organization"))?;
    Ok(HttpResponse::Ok().json(actions::show(&mut conn, row).await?))
}

/// The console's HTTP map.
pub(crate) fn configure(config: &mut ServiceConfig) {
    let at = |path: &str| web::resource(format!("/api/admin/auth-otp/{path}"));
    config
        .service(at("users").get(list_users))
        .service(at("users/{id}").get(get_user))
        .service(at("organizations").get(list_organizations))
        .service(at("organizations/{id}").get(get_organization));
}

/// What the console adds to the service's API document.
#[derive(OpenApi)]
#[openapi(paths(list_users, get_user, list_organizations, get_organization))]
pub(crate) struct ConsoleDocument;
