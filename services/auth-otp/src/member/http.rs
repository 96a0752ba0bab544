//! `/api/auth/organization-members/` (A08, A15; wire.md 6.2).

use actix_web::{HttpRequest, HttpResponse, web};
use common_types::{ClinicRole, ContentRole};
use service_http::{ApiError, Caller, Json, PageQuery, Path, Query, SensitiveCaller, paginate};

use super::actions;
use super::dto::{MemberFilter, MemberRequest, MemberResponse};
use super::store::{self, MemberQuery};
use crate::organization::filter;
use crate::state::AppState;

/// Members of the caller's organisations.
#[utoipa::path(get, path = "/api/auth/organization-members/", tag = "organizations", operation_id = "list_members",
    responses((status = 200, description = "A page of members")))]
pub async fn list_members(
    state: web::Data<AppState>,
    caller: Caller,
    request: HttpRequest,
    page: Query<PageQuery>,
    wanted: Query<MemberFilter>,
) -> Result<HttpResponse, ApiError> {
    let mut conn = state.stack.db.get().await?;
    let organization =
        filter::organization(&mut conn, &caller, wanted.organization.as_deref()).await?;
    let query = MemberQuery {
        seen_by: (!caller.superuser).then_some(caller.sub),
        organization,
        role: filter::choice::<ContentRole>("role", wanted.role.as_deref())?,
        clinic_role: filter::choice::<ClinicRole>("clinic_role", wanted.clinic_role.as_deref())?,
        search: page.search(),
        ordering: page.ordering.as_deref().unwrap_or_default(),
        offset: page.offset(),
        limit: page.limit(),
    };
    let (count, rows) = store::list_members(&mut conn, &query).await?;
    let shown = rows.into_iter().map(MemberResponse::from).collect();
    Ok(HttpResponse::Ok().json(paginate(&request, &page, count, shown)?))
}

/// Makes somebody a member; admins only. A clinic role, or a stranger's phone, needs a clinic admin.
#[utoipa::path(post, path = "/api/auth/organization-members/", tag = "organizations", operation_id = "create_member",
    request_body = MemberRequest, responses((status = 201, body = MemberResponse), (status = 400), (status = 403)))]
pub async fn create_member(
    state: web::Data<AppState>,
    caller: SensitiveCaller,
    body: Json<MemberRequest>,
) -> Result<HttpResponse, ApiError> {
    let made = actions::add(&state, &caller, body.into_inner()).await?;
    Ok(HttpResponse::Created().json(made))
}

/// One member of the caller's organisations.
#[utoipa::path(get, path = "/api/auth/organization-members/{id}/", tag = "organizations", operation_id = "get_member",
    params(("id" = i64, Path, description = "The number")), responses((status = 200, body = MemberResponse), (status = 404)))]
pub async fn get_member(
    state: web::Data<AppState>,
    caller: Caller,
    id: Path<i64>,
) -> Result<HttpResponse, ApiError> {
    let mut conn = state.stack.db.get().await?;
    let (member, _) = actions::visible(&mut conn, &caller, *id).await?;
    Ok(HttpResponse::Ok().json(MemberResponse::from(member)))
}

/// Changes a member's roles; admins only, clinic roles by clinic admins.
#[utoipa::path(patch, path = "/api/auth/organization-members/{id}/", tag = "organizations", operation_id = "update_member",
    params(("id" = i64, Path, description = "The number")), request_body = MemberRequest,
    responses((status = 200, body = MemberResponse), (status = 400), (status = 403), (status = 404), (status = 409)))]
pub async fn update_member(
    state: web::Data<AppState>,
    caller: SensitiveCaller,
    id: Path<i64>,
    body: Json<MemberRequest>,
) -> Result<HttpResponse, ApiError> {
    let mut conn = state.stack.db.get().await?;
    let (member, rights) = actions::visible(&mut conn, &caller, *id).await?;
    drop(conn);
    let member = actions::change(&state, &caller, member, &rights, &body).await?;
    Ok(HttpResponse::Ok().json(MemberResponse::from(member)))
}

/// Ends a membership; admins, or the member.
#[utoipa::path(delete, path = "/api/auth/organization-members/{id}/", tag = "organizations", operation_id = "delete_member",
    params(("id" = i64, Path, description = "The number")), responses((status = 204), (status = 403), (status = 404), (status = 409)))]
pub async fn delete_member(
    state: web::Data<AppState>,
    caller: SensitiveCaller,
    id: Path<i64>,
) -> Result<HttpResponse, ApiError> {
    let mut conn = state.stack.db.get().await?;
    let (member, rights) = actions::visible(&mut conn, &caller, *id).await?;
    drop(conn);
    actions::remove(&state, &caller, &member, &rights).await?;
    Ok(HttpResponse::NoContent().finish())
}
