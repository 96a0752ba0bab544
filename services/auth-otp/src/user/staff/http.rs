//! `/api/auth/users/` (cimef.md 2.1).

use actix_web::{HttpRequest, HttpResponse, web};
use common_types::ClinicRole;
use serde_json::{Map, Value};
use service_http::{ApiError, Caller, Json, PageQuery, Path, Query, SensitiveCaller, paginate_by};

use super::dto::{StaffFilter, StaffUserResponse};
use super::store::{self, StaffQuery};
use super::{Desk, change, create, remove};
use crate::organization::dto::boolean;
use crate::organization::filter;
use crate::state::AppState;

/// The page never asks for a second page, so the first is long (cimef.md 5, 3).
const PAGE: i64 = 1000;

/// A role of CIMEF's list.
struct RoleWord;

impl std::str::FromStr for RoleWord {
    type Err = ();

    fn from_str(word: &str) -> Result<Self, ()> {
        if word == "superuser" || word.parse::<ClinicRole>().is_ok() {
            Ok(Self)
        } else {
            Err(())
        }
    }
}

/// Users in sight: for admins the clinic's, for superusers everybody, else oneself.
#[utoipa::path(get, path = "/api/auth/users/", tag = "users", operation_id = "list_users",
    responses((status = 200, description = "A page of users: `page_size` to 1000, `search`, `role`, `is_active`, `ordering`")))]
pub async fn list_users(
    state: web::Data<AppState>,
    caller: Caller,
    request: HttpRequest,
    page: Query<PageQuery>,
    wanted: Query<StaffFilter>,
) -> Result<HttpResponse, ApiError> {
    let limit = page.page_size.unwrap_or(PAGE).clamp(1, PAGE);
    let mut conn = state.stack.db.get().await?;
    let desk = Desk::of(&mut conn, &caller).await?;
    let query = StaffQuery {
        sight: desk.sight,
        caller: caller.sub,
        organization: desk.organization,
        role: filter::choice::<RoleWord>("role", wanted.role.as_deref())?,
        is_active: boolean(wanted.is_active.as_deref()),
        search: page.search(),
        ordering: page.ordering.as_deref().unwrap_or_default(),
        offset: (page.number() - 1).saturating_mul(limit),
        limit,
    };
    let (count, rows) = store::list_staff(&mut conn, &query).await?;
    let shown = rows
        .into_iter()
        .map(|row| StaffUserResponse::new(row, desk.organization))
        .collect();
    Ok(HttpResponse::Ok().json(paginate_by(&request, &page, limit, count, shown)?))
}

/// Makes an account that the clinic manages; its admins and superusers.
#[utoipa::path(post, path = "/api/auth/users/", tag = "users", operation_id = "create_user",
    request_body = Object, responses((status = 201, body = StaffUserResponse), (status = 400), (status = 403)))]
pub async fn create_user(
    state: web::Data<AppState>,
    caller: SensitiveCaller,
    body: Json<Map<String, Value>>,
) -> Result<HttpResponse, ApiError> {
    let (row, organization) = create::create(&state, &caller, &body).await?;
    Ok(HttpResponse::Created().json(StaffUserResponse::new(row, organization)))
}

/// Somebody in sight.
#[utoipa::path(get, path = "/api/auth/users/{id}/", tag = "users", operation_id = "show_user",
    params(("id" = i64, Path, description = "The number")), responses((status = 200, body = StaffUserResponse), (status = 404)))]
pub async fn show_user(
    state: web::Data<AppState>,
    caller: Caller,
    id: Path<i64>,
) -> Result<HttpResponse, ApiError> {
    let mut conn = state.stack.db.get().await?;
    let desk = Desk::of(&mut conn, &caller).await?;
    let row = desk.find(&mut conn, &caller, *id).await?;
    Ok(HttpResponse::Ok().json(StaffUserResponse::new(row, desk.organization)))
}

/// Changes any subset of an account; admins only. A PUT counts as a PATCH.
#[utoipa::path(patch, path = "/api/auth/users/{id}/", tag = "users", operation_id = "update_user",
    params(("id" = i64, Path, description = "The number")), request_body = Object,
    responses((status = 200, body = StaffUserResponse), (status = 400), (status = 403), (status = 404), (status = 409)))]
pub async fn update_user(
    state: web::Data<AppState>,
    caller: SensitiveCaller,
    id: Path<i64>,
    body: Json<Map<String, Value>>,
) -> Result<HttpResponse, ApiError> {
    let (row, desk) = change::change(&state, &caller, *id, &body).await?;
    Ok(HttpResponse::Ok().json(StaffUserResponse::new(row, desk.organization)))
}

/// Removes an account from the clinic's list, a superuser from every list; records that name it stay.
#[utoipa::path(delete, path = "/api/auth/users/{id}/", tag = "users", operation_id = "delete_user",
    params(("id" = i64, Path, description = "The number")), responses((status = 204), (status = 400), (status = 403), (status = 404), (status = 409)))]
pub async fn delete_user(
    state: web::Data<AppState>,
    caller: SensitiveCaller,
    id: Path<i64>,
) -> Result<HttpResponse, ApiError> {
    remove::remove(&state, &caller, *id).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Opens an account again, or ends a suspension.
#[utoipa::path(post, path = "/api/auth/users/{id}/activate/", tag = "users", operation_id = "activate_user",
    params(("id" = i64, Path, description = "The number")), responses((status = 200, body = StaffUserResponse), (status = 400), (status = 403), (status = 404)))]
pub async fn activate_user(
    state: web::Data<AppState>,
    caller: SensitiveCaller,
    id: Path<i64>,
) -> Result<HttpResponse, ApiError> {
    switch(&state, &caller, *id, true).await
}

/// Closes an account the clinic made (its sessions and tokens end at once), else suspends the membership.
#[utoipa::path(post, path = "/api/auth/users/{id}/deactivate/", tag = "users", operation_id = "deactivate_user",
    params(("id" = i64, Path, description = "The number")), responses((status = 200, body = StaffUserResponse), (status = 400), (status = 403), (status = 404), (status = 409)))]
pub async fn deactivate_user(
    state: web::Data<AppState>,
    caller: SensitiveCaller,
    id: Path<i64>,
) -> Result<HttpResponse, ApiError> {
    switch(&state, &caller, *id, false).await
}

async fn switch(
    state: &AppState,
    caller: &SensitiveCaller,
    number: i64,
    is_active: bool,
) -> Result<HttpResponse, ApiError> {
    let mut body = Map::new();
    body.insert("is_active".to_owned(), Value::Bool(is_active));
    let (row, desk) = change::change(state, caller, number, &body).await?;
    Ok(HttpResponse::Ok().json(StaffUserResponse::new(row, desk.organization)))
}
