//! `/api/v1/organizations/{id}/members`.

use actix_web::{HttpResponse, web};
use common_types::AccessClaims;
use service_http::{ApiError, Caller, Json, Path, SensitiveCaller};

use super::envelope;
use crate::member::actions;
use crate::member::dto::{MemberRequest, MemberResponse};
use crate::member::store::{self, MemberQuery, MemberRow};
use crate::organization::{Rights, actions as organizations};
use crate::state::AppState;

/// More members than an organisation's page can show.
const MOST: i64 = 500;

/// The members of one of the caller's organisations, the first joined first, at most 500.
#[utoipa::path(get, path = "/api/v1/organizations/{id}/members", tag = "contexor pages", operation_id = "v1_list_members",
    params(("id" = i64, Path, description = "The organisation's number")),
    responses((status = 200, body = Vec<MemberResponse>), (status = 401), (status = 404)))]
pub async fn list_members(
    state: web::Data<AppState>,
    caller: Caller,
    id: Path<i64>,
) -> Result<HttpResponse, ApiError> {
    let mut conn = state.stack.db.get().await?;
    let (organization, _) = organizations::visible(&mut conn, &caller, *id).await?;
    let query = MemberQuery {
        organization: Some(organization.id),
        limit: MOST,
        ..MemberQuery::default()
    };
    let (_, rows) = store::list_members(&mut conn, &query).await?;
    let shown: Vec<MemberResponse> = rows.into_iter().map(MemberResponse::from).collect();
    Ok(envelope::ok(shown))
}

/// Makes somebody a member; admins only.
#[utoipa::path(post, path = "/api/v1/organizations/{id}/members", tag = "contexor pages", operation_id = "v1_create_member",
    params(("id" = i64, Path, description = "The organisation's number")), request_body = MemberRequest,
    responses((status = 201, body = MemberResponse), (status = 400), (status = 401), (status = 403), (status = 404)))]
pub async fn create_member(
    state: web::Data<AppState>,
    caller: SensitiveCaller,
    id: Path<i64>,
    body: Json<MemberRequest>,
) -> Result<HttpResponse, ApiError> {
    let mut conn = state.stack.db.get().await?;
    organizations::visible(&mut conn, &caller, *id).await?;
    drop(conn);
    let mut body = body.into_inner();
    body.organization = Some(*id);
    Ok(envelope::created(
        actions::add(&state, &caller, body).await?,
    ))
}

/// Changes a member's roles; admins only, clinic roles by clinic admins.
#[utoipa::path(patch, path = "/api/v1/organizations/{id}/members/{member}", tag = "contexor pages", operation_id = "v1_update_member",
    params(("id" = i64, Path, description = "The organisation's number"), ("member" = i64, Path, description = "The number")),
    request_body = MemberRequest,
    responses((status = 200, body = MemberResponse), (status = 400), (status = 401), (status = 403), (status = 404), (status = 409)))]
pub async fn update_member(
    state: web::Data<AppState>,
    caller: SensitiveCaller,
    path: Path<(i64, i64)>,
    body: Json<MemberRequest>,
) -> Result<HttpResponse, ApiError> {
    let (member, rights) = visible(&state, &caller, *path).await?;
    let member = actions::change(&state, &caller, member, &rights, &body).await?;
    Ok(envelope::ok(MemberResponse::from(member)))
}

/// Ends a membership; admins, or the member.
#[utoipa::path(delete, path = "/api/v1/organizations/{id}/members/{member}", tag = "contexor pages", operation_id = "v1_delete_member",
    params(("id" = i64, Path, description = "The organisation's number"), ("member" = i64, Path, description = "The number")),
    responses((status = 204), (status = 401), (status = 403), (status = 404), (status = 409)))]
pub async fn delete_member(
    state: web::Data<AppState>,
    caller: SensitiveCaller,
    path: Path<(i64, i64)>,
) -> Result<HttpResponse, ApiError> {
    let (member, rights) = visible(&state, &caller, *path).await?;
    actions::remove(&state, &caller, &member, &rights).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// The member, when it belongs to the organisation of the path and the caller sees it.
async fn visible(
    state: &AppState,
    caller: &AccessClaims,
    (organization, member): (i64, i64),
) -> Result<(MemberRow, Rights), ApiError> {
    let mut conn = state.stack.db.get().await?;
    let (row, rights) = actions::visible(&mut conn, caller, member).await?;
    if row.organization_number == organization {
        Ok((row, rights))
    } else {
        Err(ApiError::no_match(
            "auth.object_missing",
            "OrganizationMember",
        ))
    }
}
