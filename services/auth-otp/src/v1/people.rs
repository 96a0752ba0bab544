//! `/api/v1/users/me`.

use actix_web::{HttpResponse, web};
use service_http::{ApiError, Caller, Json};

use super::envelope;
use crate::state::AppState;
use crate::user::dto::{MeResponse, UpdateMeRequest};
use crate::user::http::{change_me, me};

/// The caller.
#[utoipa::path(get, path = "/api/v1/users/me", tag = "contexor pages", operation_id = "v1_get_me",
    responses((status = 200, body = MeResponse), (status = 401)))]
pub async fn get_me(state: web::Data<AppState>, caller: Caller) -> Result<HttpResponse, ApiError> {
    Ok(envelope::ok(me(&state, &caller).await?))
}

/// Changes names, e-mail and language of the caller.
#[utoipa::path(patch, path = "/api/v1/users/me", tag = "contexor pages", operation_id = "v1_update_me",
    request_body = UpdateMeRequest, responses((status = 200, body = MeResponse), (status = 400), (status = 401)))]
pub async fn update_me(
    state: web::Data<AppState>,
    caller: Caller,
    body: Json<UpdateMeRequest>,
) -> Result<HttpResponse, ApiError> {
    Ok(envelope::ok(
        change_me(&state, &caller, body.into_inner()).await?,
    ))
}
