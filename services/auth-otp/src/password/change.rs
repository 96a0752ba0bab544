//! `POST /api/auth/password/change/`: by who is logged in.

use actix_web::{HttpResponse, web};
use common_types::internal::auth::Revocation;
use diesel_async::AsyncPgConnection;
use serde::Deserialize;
use service_http::{ApiError, Json, SensitiveCaller};
use utoipa::ToSchema;

use super::method::not_hashed;
use super::{NewPassword, is_right, replace, strength, wrong};
use crate::session::open::Origin;
use crate::session::revocation;
use crate::state::AppState;
use crate::user::{User, store as users};
use crate::validate::Errors;

/// A new password.
#[derive(Deserialize, ToSchema)]
pub struct ChangePasswordRequest {
    /// The present one; who has none gives a fresh proof of themselves instead (step-up).
    pub current_password: Option<String>,
    /// The new one.
    pub new_password: Option<String>,
}

/// Changes the caller's password, or sets the first one. Every other session of the caller ends.
#[utoipa::path(post, path = "/api/auth/password/change/", tag = "passwords", operation_id = "change_password",
    request_body = ChangePasswordRequest, responses((status = 204), (status = 400), (status = 403, description = "`auth.step_up_required`"), (status = 429)))]
pub async fn change_password(
    state: web::Data<AppState>,
    caller: SensitiveCaller,
    origin: Origin,
    body: Json<ChangePasswordRequest>,
) -> Result<HttpResponse, ApiError> {
    let body = body.into_inner();
    let mut conn = state.stack.db.get().await?;
    let user = users::find_user(&mut conn, caller.sub).await?;
    let user = user.ok_or_else(ApiError::token_invalid)?;
    drop(conn);
    let mut errors = Errors::new();
    let new = body.new_password.unwrap_or_default();
    if new.is_empty() {
        errors.add("new_password", service_http::text::required());
    } else if let Some(problem) = strength::problem(&state, &new, &names(&user)).await? {
        errors.add("new_password", problem);
    }
    if user.password_hash.is_some() && body.current_password.is_none() {
        errors.add("current_password", service_http::text::required());
    }
    errors.into_result()?;
    if user.password_hash.is_some() {
        crate::login::limits::trying(&state, origin.ip).await?;
        let current = body.current_password.unwrap_or_default();
        if !is_right(&state, &user, &current, &origin).await? {
            return Err(wrong());
        }
    } else if !caller.is_stepped_up(state.now().timestamp()) {
        return Err(ApiError::step_up_required());
    }
    let hash = state.hasher.hash(&new).await.map_err(not_hashed)?;
    let now = state.now();
    let new = NewPassword {
        user: &user,
        hash: &hash,
        keep: Some(caller.sid),
        action: "auth.password_changed",
        origin: &origin,
    };
    let ended = state
        .stack
        .db
        .transaction(
            async |conn: &mut AsyncPgConnection| -> Result<Vec<Revocation>, ApiError> {
                replace(conn, &state, &new, now).await
            },
        )
        .await?;
    revocation::announce(&state, &ended);
    Ok(HttpResponse::NoContent().finish())
}

/// What the password must not repeat.
pub(super) fn names(user: &User) -> Vec<&str> {
    let mut names = vec![user.email.as_str(), user.full_name.as_str()];
    names.extend(user.username.as_deref());
    names.extend(user.email.split('@').next());
    names
}
