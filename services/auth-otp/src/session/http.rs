//! Refresh, logout, and the list of one's own sessions (A03, A07).

use actix_web::{HttpRequest, HttpResponse, web};
use chrono::{DateTime, Utc};
use common_types::internal::auth::Revocation;
use diesel_async::AsyncPgConnection;
use serde::{Deserialize, Serialize};
use serde_json::json;
use service_http::extract::bearer;
use service_http::text::not_a_choice;
use service_http::{ApiError, Caller, Json, Path, Query};
use utoipa::ToSchema;
use uuid::Uuid;

use super::carrier::{self, Browser, Carrier, seconds_left};
use super::open::Origin;
use super::store::{self, SessionRow};
use super::token::RefreshToken;
use super::{RefreshError, refresh, revocation};
use crate::login::words::{not_blank, required};
use crate::state::AppState;
use crate::unexpected::unexpected;

/// `POST /api/auth/token/refresh/`.
#[derive(Debug, Deserialize, ToSchema)]
pub struct RefreshRequest {
    /// The refresh token.
    pub refresh: Option<String>,
    /// Number of another organisation of the user, to move the session there.
    #[serde(default)]
    pub organization: Option<i64>,
}

/// A pair of tokens.
#[derive(Debug, Serialize, ToSchema)]
pub struct TokenPair {
    /// The access token.
    pub access: String,
    /// The refresh token; absent when it travels in the cookie.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refresh: Option<String>,
}

/// Rotates a refresh token (A07, A09), of the body or, without one there, of our own pages' cookie. A broken `Authorization` header is ignored: clients send their stale one.
#[utoipa::path(post, path = "/api/auth/token/refresh/", tag = "sessions", operation_id = "refresh_token",
    request_body = RefreshRequest, responses((status = 200, body = TokenPair), (status = 401, description = "`token_not_valid`")))]
pub async fn refresh_token(
    state: web::Data<AppState>,
    origin: Origin,
    browser: Browser,
    body: Json<RefreshRequest>,
) -> Result<HttpResponse, ApiError> {
    let (text, carrier) = match (body.refresh.as_deref(), browser.refresh_token()) {
        (Some(""), _) => return Err(ApiError::invalid().field("refresh", not_blank())),
        (Some(text), _) => (text, Carrier::Body),
        (None, cookie) => match cookie? {
            Some(text) => (text, Carrier::Cookie),
            None => return Err(ApiError::invalid().field("refresh", required())),
        },
    };
    let refreshed = refresh(&state, text, carrier, body.organization, &origin)
        .await
        .map_err(refusal)?;
    state.stack.outbox.wake();
    let left = seconds_left(state.now(), refreshed.expires_at);
    let (refresh, cookie) = carrier.part(refreshed.refresh, left);
    let mut response = no_store();
    if let Some(cookie) = cookie {
        response.cookie(cookie);
    }
    Ok(response.json(TokenPair {
        access: refreshed.access,
        refresh,
    }))
}

fn refusal(error: RefreshError) -> ApiError {
    match error {
        RefreshError::Invalid => refresh_invalid(),
        RefreshError::NotAMember => {
            ApiError::invalid().field("organization", "Invalid pk - object does not exist.")
        }
        RefreshError::Unexpected(error) => unexpected(error),
    }
}

/// 401 in the words of SimpleJWT for refresh tokens.
fn refresh_invalid() -> ApiError {
    ApiError::unauthorized("auth.refresh_invalid", "Token is invalid")
        .contract(json!({"detail": "Token is invalid", "code": "token_not_valid"}))
}

/// One of the caller's sessions, with chelseru's keys first.
#[derive(Debug, Serialize, ToSchema)]
pub struct SessionResponse {
    /// The session's number.
    pub id: i64,
    /// An opaque key of the session.
    pub session_key: String,
    /// The `User-Agent`.
    pub user_agent: String,
    /// The address at the login.
    pub ip_address: String,
    /// Kind of device.
    pub device: String,
    /// Browser's family.
    pub browser: String,
    /// Last login or refresh.
    pub last_seen: DateTime<Utc>,
    /// Login.
    pub created_at: DateTime<Utc>,
    /// The user's number.
    pub user: i64,
    /// `rotating` or `stable`.
    pub kind: String,
    /// The absolute end.
    pub expires_at: DateTime<Utc>,
    /// The session that asks.
    pub current: bool,
    /// What opened it: `code`, `password` or `recovery`.
    pub opened_by: String,
    /// A second factor was proved in it.
    pub second_factor: bool,
}

/// The caller's living sessions, the latest seen first (A03): a bare list.
#[utoipa::path(get, path = "/api/sessions/", tag = "sessions", operation_id = "list_sessions",
    responses((status = 200, body = Vec<SessionResponse>)))]
pub async fn list_sessions(
    state: web::Data<AppState>,
    caller: Caller,
) -> Result<HttpResponse, ApiError> {
    let mut conn = state.stack.db.get().await?;
    let rows = store::list_living(&mut conn, caller.sub, state.now()).await?;
    let number = caller.user_number();
    let list: Vec<SessionResponse> = rows
        .into_iter()
        .map(|row| shown(row, number, caller.sid))
        .collect();
    Ok(HttpResponse::Ok().json(list))
}

fn shown(row: SessionRow, user: i64, current: Uuid) -> SessionResponse {
    SessionResponse {
        id: row.number,
        session_key: row.id.simple().to_string(),
        user_agent: row.user_agent,
        ip_address: row.ip_address,
        device: row.device,
        browser: row.browser,
        last_seen: row.last_seen_at,
        created_at: row.created_at,
        user,
        kind: row.kind,
        expires_at: row.expires_at,
        current: row.id == current,
        opened_by: row.opened_by,
        second_factor: row.second_factor_at.is_some(),
    }
}

/// Ends one of the caller's sessions, by number or key.
#[utoipa::path(delete, path = "/api/sessions/{id}/", tag = "sessions", operation_id = "delete_session",
    params(("id" = String, Path, description = "Number or key")), responses((status = 204), (status = 404)))]
pub async fn delete_session(
    state: web::Data<AppState>,
    caller: Caller,
    id: Path<String>,
) -> Result<HttpResponse, ApiError> {
    let now = state.now();
    let mut conn = state.stack.db.get().await?;
    let rows = store::list_living(&mut conn, caller.sub, now).await?;
    drop(conn);
    let key = Uuid::parse_str(&id).ok();
    let found = rows
        .iter()
        .find(|row| row.number.to_string() == *id || Some(row.id) == key);
    let session = found
        .ok_or_else(|| ApiError::no_match("auth.session_missing", "Session"))?
        .id;
    end(&state, session, "ended_by_user").await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Which of one's own sessions stay.
#[derive(Debug, Default, Deserialize)]
pub struct SessionsFilter {
    /// `current` (as when absent): the one that asks stays; `none`: all end.
    pub except: Option<String>,
}

/// Ends every session of the caller but the one that asks; that one too with `?except=none`.
#[utoipa::path(delete, path = "/api/sessions/", tag = "sessions", operation_id = "delete_other_sessions",
    params(("except" = Option<String>, Query, description = "`current` (default) or `none`")),
    responses((status = 204), (status = 400)))]
pub async fn delete_other_sessions(
    state: web::Data<AppState>,
    caller: Caller,
    query: Query<SessionsFilter>,
) -> Result<HttpResponse, ApiError> {
    let keep = match query.except.as_deref() {
        Some("current") | None => Some(caller.sid),
        Some("none") => None,
        Some(_) => return Err(ApiError::invalid().field("except", not_a_choice("except"))),
    };
    revocation::end_others(&state, caller.sub, keep, "ended_by_user").await?;
    Ok(HttpResponse::NoContent().finish())
}

/// `POST /api/auth/logout/`.
#[derive(Debug, Default, Deserialize, ToSchema)]
pub struct LogoutRequest {
    /// The refresh token of the session to end; without it the access token's session ends.
    pub refresh: Option<String>,
}

/// Ends the session of the refresh token (of the body, or of our own pages' cookie) or of the access token. Repeating it does no harm.
#[utoipa::path(post, path = "/api/auth/logout/", tag = "sessions", operation_id = "logout",
    request_body = LogoutRequest, responses((status = 204), (status = 401)))]
pub async fn logout(
    state: web::Data<AppState>,
    request: HttpRequest,
    browser: Browser,
    body: Json<LogoutRequest>,
) -> Result<HttpResponse, ApiError> {
    let key = state.settings.tokens.refresh_key.expose().as_bytes();
    let given = body.refresh.as_deref().filter(|text| !text.is_empty());
    let by_cookie = if given.is_none() && bearer(&request).is_none() {
        browser.refresh_token()?
    } else {
        None
    };
    let session = match given.or(by_cookie) {
        Some(text) => {
            RefreshToken::read(key, text)
                .ok_or_else(refresh_invalid)?
                .family
        }
        None => {
            let token = bearer(&request).ok_or_else(ApiError::credentials_missing)?;
            let claims = state.stack.verifier.verify_access(&token).await;
            claims.map_err(|_| ApiError::token_invalid())?.sid
        }
    };
    end(&state, session, "logout").await?;
    let mut response = HttpResponse::NoContent();
    if browser.has_cookie() {
        response.cookie(carrier::removal());
    }
    Ok(response.finish())
}

async fn end(state: &AppState, session: Uuid, reason: &str) -> Result<(), ApiError> {
    let now = state.now();
    let ended = state
        .stack
        .db
        .transaction(
            async |conn: &mut AsyncPgConnection| -> Result<Option<Revocation>, ApiError> {
                Ok(revocation::end_session(conn, state, session, reason, now).await?)
            },
        )
        .await?;
    revocation::announce(state, ended.as_slice());
    Ok(())
}

/// Tokens never rest in a cache.
pub(crate) fn no_store() -> actix_web::HttpResponseBuilder {
    let mut response = HttpResponse::Ok();
    response.insert_header(("Cache-Control", "no-store"));
    response
}
