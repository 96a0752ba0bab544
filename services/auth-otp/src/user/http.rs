//! `GET|PATCH /api/auth/me/`.

use actix_web::{HttpResponse, web};
use common_types::AccessClaims;
use diesel_async::AsyncPgConnection;
use service_http::{ApiError, Caller, Json};
use uuid::Uuid;

use super::dto::{MeResponse, UpdateMeRequest};
use super::{User, service, store};
use crate::state::AppState;
use crate::validate;

/// The caller (Contexor's `current_user`, CIMEF's `me`).
#[utoipa::path(get, path = "/api/auth/me/", tag = "users", operation_id = "get_me",
    responses((status = 200, body = MeResponse)))]
pub async fn get_me(state: web::Data<AppState>, caller: Caller) -> Result<HttpResponse, ApiError> {
    Ok(HttpResponse::Ok().json(me(&state, &caller).await?))
}

/// Changes names, e-mail and language of the caller.
#[utoipa::path(patch, path = "/api/auth/me/", tag = "users", operation_id = "update_me",
    request_body = UpdateMeRequest, responses((status = 200, body = MeResponse)))]
pub async fn update_me(
    state: web::Data<AppState>,
    caller: Caller,
    body: Json<UpdateMeRequest>,
) -> Result<HttpResponse, ApiError> {
    Ok(HttpResponse::Ok().json(change_me(&state, &caller, body.into_inner()).await?))
}

/// The caller as every tree shows them.
///
/// # Errors
/// 401 when the user is gone; database failures.
pub(crate) async fn me(state: &AppState, caller: &AccessClaims) -> Result<MeResponse, ApiError> {
    let mut conn = state.stack.db.get().await?;
    let user = store::find_user(&mut conn, caller.sub)
        .await?
        .ok_or_else(ApiError::token_invalid)?;
    show_me(&mut conn, caller.org, caller.group, &user).await
}

/// Changes what a person may change about themselves.
///
/// # Errors
/// 400 by field; database failures.
pub(crate) async fn change_me(
    state: &AppState,
    caller: &AccessClaims,
    body: UpdateMeRequest,
) -> Result<MeResponse, ApiError> {
    let mut errors = validate::Errors::new();
    let wanted = store::UserChanges {
        full_name: errors.text("full_name", body.full_name, 255),
        first_name: errors.text("first_name", body.first_name, 150),
        last_name: errors.text("last_name", body.last_name, 150),
        email: errors.email("email", body.email),
        language: body.language.map(|language| language.as_str().to_owned()),
    };
    errors.into_result()?;
    let now = state.now();
    let user = state
        .stack
        .db
        .transaction(
            async |conn: &mut AsyncPgConnection| -> Result<User, ApiError> {
                let user = store::lock_user(conn, caller.sub)
                    .await?
                    .ok_or_else(ApiError::token_invalid)?;
                let mut changes = wanted.clone();
                service::agree_names(&mut changes, &user);
                let user = store::update_user(conn, user.id, &changes, now).await?;
                service::tell(conn, &user, now).await?;
                Ok(user)
            },
        )
        .await?;
    state.stack.outbox.wake();
    let mut conn = state.stack.db.get().await?;
    show_me(&mut conn, caller.org, caller.group, &user).await
}

/// A user standing in an organisation, with the group tag of the session.
///
/// # Errors
/// Database failures.
pub(crate) async fn show_me(
    conn: &mut AsyncPgConnection,
    organization: Option<Uuid>,
    group: i32,
    user: &User,
) -> Result<MeResponse, ApiError> {
    let standings = store::list_standings(conn, user.id).await?;
    let standing = standings
        .iter()
        .find(|standing| Some(standing.organization_id) == organization);
    let groups = store::list_groups(conn, user.id).await?;
    Ok(MeResponse::new(user, standing, group, groups))
}
