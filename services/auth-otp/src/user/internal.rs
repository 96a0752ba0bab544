//! The internal API of users: other services look people up by phone or id.

use actix_web::{HttpResponse, web};
use common_types::PhoneNumber;
use common_types::internal::auth::UserInfo;
use diesel_async::AsyncPgConnection;
use service_http::{ApiError, Path, ServiceCaller};
use uuid::Uuid;

use super::{User, store};
use crate::phone_change;
use crate::state::AppState;

/// The active user of a phone in any spelling.
#[utoipa::path(get, path = "/internal/users/by-phone/{phone}", tag = "internal", operation_id = "get_user_by_phone",
    params(("phone" = String, Path, description = "A phone number")), responses((status = 200), (status = 404)))]
pub async fn get_user_by_phone(
    state: web::Data<AppState>,
    _caller: ServiceCaller,
    phone: Path<String>,
) -> Result<HttpResponse, ApiError> {
    let phone = PhoneNumber::parse(&phone).map_err(|_| missing())?;
    let mut conn = state.stack.db.get().await?;
    let user = store::find_user_by_phone(&mut conn, phone.e164()).await?;
    respond(&state, &mut conn, user).await
}

/// The active user of an id.
#[utoipa::path(get, path = "/internal/users/{id}", tag = "internal", operation_id = "get_user",
    params(("id" = Uuid, Path, description = "The user")), responses((status = 200), (status = 404)))]
pub async fn get_user(
    state: web::Data<AppState>,
    _caller: ServiceCaller,
    id: Path<Uuid>,
) -> Result<HttpResponse, ApiError> {
    let mut conn = state.stack.db.get().await?;
    let user = store::find_user(&mut conn, *id).await?;
    respond(&state, &mut conn, user).await
}

async fn respond(
    state: &AppState,
    conn: &mut AsyncPgConnection,
    user: Option<User>,
) -> Result<HttpResponse, ApiError> {
    let user = user.filter(|user| user.is_active).ok_or_else(missing)?;
    let standings = store::list_standings(conn, user.id).await?;
    let changed = phone_change::store::find_phone_changed_at(conn, user.id).await?;
    let payouts_held_until = state.settings.payouts_held_until(changed, state.now());
    Ok(HttpResponse::Ok().json(UserInfo {
        id: user.id,
        number: user.number,
        phone: user.phone,
        full_name: user.full_name,
        language: user.language,
        organization_id: standings.first().map(|standing| standing.organization_id),
        payouts_held_until,
    }))
}

fn missing() -> ApiError {
    ApiError::no_match("auth.user_missing", "User")
}
