//! `GET|PATCH /api/auth/me/`.

use actix_web::{HttpResponse, web};
use common_types::AccessClaims;
use diesel_async::AsyncPgConnection;
use service_http::{ApiError, Caller, Json};

use super::dto::{MeResponse, UpdateMeRequest};
use super::{User, service, store};
use crate::state::AppState;
use crate::validate;

/// The caller (Contexor's `current_user`, CIMEF's `me`).
#[utoipa::path(get, path = "/api/auth/me/", tag = "users", operation_id = "get_me",
    responses((status = 200, body = MeResponse)))]
pub async fn get_me(state: web::Data<AppState>, caller: Caller) -> Result<HttpResponse, ApiError> {
    let mut conn = state.stack.db.get().await?;
    let user = store::find_user(&mut conn, caller.sub)
        .await?
        .ok_or_else(ApiError::token_invalid)?;
    respond(&mut conn, &caller, &user).await
}

/// Changes names, e-mail and language of the caller.
#[utoipa::path(patch, path = "/api/auth/me/", tag = "users", operation_id = "update_me",
    request_body = UpdateMeRequest, responses((status = 200, body = MeResponse)))]
pub async fn update_me(
    state: web::Data<AppState>,
    caller: Caller,
    body: Json<UpdateMeRequest>,
) -> Result<HttpResponse, ApiError> {
    let body = body.into_inner();
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
    respond(&mut conn, &caller, &user).await
}

async fn respond(
    conn: &mut AsyncPgConnection,
    claims: &AccessClaims,
    user: &User,
) -> Result<HttpResponse, ApiError> {
    let standings = store::list_standings(conn, user.id).await?;
    let standing = standings
        .iter()
        .find(|standing| Some(standing.organization_id) == claims.org);
    let groups = store::list_groups(conn, user.id).await?;
    Ok(HttpResponse::Ok().json(MeResponse::new(user, standing, groups)))
}
