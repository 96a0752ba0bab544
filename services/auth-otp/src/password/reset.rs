//! `POST /api/auth/password/reset/{request,confirm}/`: a new password by a code to the phone.

use actix_web::{HttpResponse, web};
use common_types::PhoneNumber;
use common_types::internal::auth::Revocation;
use diesel_async::AsyncPgConnection;
use serde::{Deserialize, Serialize};
use service_http::{ApiError, Json, Lang};
use utoipa::ToSchema;

use super::change::names;
use super::method::not_hashed;
use super::{NewPassword, replace, strength};
use crate::code::model::PASSWORD_RESET;
use crate::code::{self, Verdict};
use crate::login::limits;
use crate::own_codes;
use crate::session::open::Origin;
use crate::session::revocation;
use crate::shield::ChallengeAnswer;
use crate::state::AppState;
use crate::user::store as users;
use crate::validate::Errors;

/// Whose password.
#[derive(Debug, Deserialize, ToSchema)]
pub struct ResetRequest {
    /// Any spelling.
    pub phone_number: Option<String>,
}

/// A code is on its way; the answer is the same for unknown phones.
#[derive(Debug, Serialize, ToSchema)]
pub struct ResetRequested {
    /// The code's lifetime in seconds.
    pub ttl: i64,
}

/// The code and the new password.
#[derive(Deserialize, ToSchema)]
pub struct ResetConfirm {
    /// Any spelling.
    pub phone_number: Option<String>,
    /// Digits of any script.
    pub code: Option<String>,
    /// The new password.
    pub new_password: Option<String>,
}

/// Sends a code with which the password can be set anew; the same work and answer for unknown phones (decisions.md 12).
#[utoipa::path(post, path = "/api/auth/password/reset/request/", tag = "passwords", operation_id = "request_password_reset",
    request_body = ResetRequest, responses((status = 200, body = ResetRequested), (status = 400), (status = 429)))]
pub async fn request_password_reset(
    state: web::Data<AppState>,
    origin: Origin,
    Lang(language): Lang,
    answer: ChallengeAnswer,
    body: Json<ResetRequest>,
) -> Result<HttpResponse, ApiError> {
    limits::admit(&state, origin.ip, &answer).await?;
    let typed = body.phone_number.as_deref().unwrap_or_default();
    limits::asking(&state, origin.ip, typed).await?;
    let phone = phone(body.phone_number.as_deref())?;
    let sent = own_codes::send_code(&state, &origin, PASSWORD_RESET, &phone, "", language).await?;
    Ok(HttpResponse::Ok().json(ResetRequested {
        ttl: sent.lifetime_seconds,
    }))
}

/// Sets the password; every session of the account ends. A second factor stays and is asked for at the next login.
#[utoipa::path(post, path = "/api/auth/password/reset/confirm/", tag = "passwords", operation_id = "confirm_password_reset",
    request_body = ResetConfirm, responses((status = 204), (status = 400), (status = 429)))]
pub async fn confirm_password_reset(
    state: web::Data<AppState>,
    origin: Origin,
    answer: ChallengeAnswer,
    body: Json<ResetConfirm>,
) -> Result<HttpResponse, ApiError> {
    limits::admit(&state, origin.ip, &answer).await?;
    let body = body.into_inner();
    let phone = phone(body.phone_number.as_deref())?;
    let mut errors = Errors::new();
    let code = errors.required("code", body.code, 50);
    let new = body.new_password.unwrap_or_default();
    limits::trying(&state, origin.ip).await?;
    let mut conn = state.stack.db.get().await?;
    let user = users::find_user_by_phone(&mut conn, phone.e164()).await?;
    drop(conn);
    // The password is judged before the code, so that a weak one costs no attempt; not by the account's names yet, which
    // would tell a stranger whose the phone is.
    if new.is_empty() {
        errors.add("new_password", service_http::text::required());
    } else if let Some(problem) = strength::problem(&state, &new, &[]).await? {
        errors.add("new_password", problem);
    }
    errors.into_result()?;
    let id = own_codes::judge_code(&state, &origin, PASSWORD_RESET, &phone, "", &code).await?;
    let Some(user) = user.filter(|user| user.is_active) else {
        return Err(own_codes::code_refused(Verdict::Unknown));
    };
    if let Some(problem) = strength::problem(&state, &new, &names(&user)).await? {
        return Err(ApiError::invalid().field("new_password", problem));
    }
    let hash = state.hasher.hash(&new).await.map_err(not_hashed)?;
    let now = state.now();
    let new = NewPassword {
        user: &user,
        hash: &hash,
        keep: None,
        action: "auth.password_reset",
        origin: &origin,
    };
    let ended = state
        .stack
        .db
        .transaction(
            async |conn: &mut AsyncPgConnection| -> Result<Vec<Revocation>, ApiError> {
                if !code::consume(conn, id, &phone, now).await? {
                    return Err(own_codes::code_refused(Verdict::Unknown));
                }
                replace(conn, &state, &new, now).await
            },
        )
        .await?;
    revocation::announce(&state, &ended);
    Ok(HttpResponse::NoContent().finish())
}

fn phone(typed: Option<&str>) -> Result<PhoneNumber, ApiError> {
    let refuse = |text| ApiError::invalid().field("phone_number", text);
    match typed.map(str::trim) {
        None => Err(refuse(service_http::text::required())),
        Some("") => Err(refuse(service_http::text::not_blank())),
        Some(text) => PhoneNumber::parse(text).map_err(|error| refuse(error.to_string().into())),
    }
}
