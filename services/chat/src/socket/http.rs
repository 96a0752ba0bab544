//! Opening a socket.

use std::sync::Arc;

use actix_web::{
    HttpRequest, HttpResponse,
    http::StatusCode,
    web::{Data, Payload},
};
use common_types::AccessClaims;
use serde::Deserialize;
use serde_json::json;
use service_http::{
    ApiError, Caller, Path, Query,
    extract::{bearer, origin},
};

use super::{session, ticket};
use crate::{AppState, error::ChatError, person::store as people, room::store as rooms};

/// How the caller is known: a single-use ticket, or an access token as today's clients send it.
#[derive(Deserialize)]
pub(crate) struct SocketQuery {
    token: Option<String>,
    ticket: Option<String>,
}

/// A single-use ticket that opens a socket within thirty seconds (Q-C1).
#[utoipa::path(
    post, path = "/api/chat/tickets/",
    responses((status = 201, description = "`{ticket, expires_in}`"))
)]
pub(crate) async fn create_ticket(
    state: Data<AppState>,
    caller: Caller,
) -> Result<HttpResponse, ApiError> {
    let mut conn = state.stack.db.get().await?;
    let ticket = ticket::issue(&mut conn, &caller, state.stack.clock.now()).await?;
    Ok(HttpResponse::Created()
        .json(json!({ "ticket": ticket, "expires_in": ticket::LIFETIME_SECONDS })))
}

/// Upgrades to a WebSocket of one room (H02). Without a good token or ticket, from a foreign page,
/// or for somebody who is not a member: 403.
#[utoipa::path(
    get, path = "/ws/chat/{room}/",
    params(("room" = i64, Path), ("token" = Option<String>, Query), ("ticket" = Option<String>, Query)),
    responses((status = 101, description = "A socket of the room"), (status = 403, description = "Not for the caller"))
)]
pub(crate) async fn open_socket(
    state: Data<AppState>,
    request: HttpRequest,
    room: Path<i64>,
    query: Query<SocketQuery>,
    payload: Payload,
) -> Result<HttpResponse, ApiError> {
    if !origin::allowed_or_absent(&request, &state.stack) {
        return Err(refused("chat.origin_refused"));
    }
    let claims = identify(&state, &request, &query)
        .await?
        .ok_or_else(|| refused("chat.token_refused"))?;
    let now = state.stack.clock.now();
    let mut conn = state.stack.db.get().await?;
    people::insert_caller(&mut conn, &claims, now)
        .await
        .map_err(ChatError::from)?;
    let (row, member) = rooms::find_room_for_member(&mut conn, *room, claims.sub)
        .await
        .map_err(ChatError::from)?
        .ok_or_else(|| refused("chat.not_a_member"))?;
    drop(conn);
    if member.is_banned {
        return Err(refused("chat.banned"));
    }
    let seat = state.hub.join(row.id, claims.sub).ok_or_else(|| {
        ApiError::new(
            StatusCode::TOO_MANY_REQUESTS,
            "chat.too_many_sockets",
            service_http::Text::i18n(
                "پنجره‌های باز شما بیش از حد است.",
                "Trop de connexions ouvertes.",
                "Too many open connections.",
            ),
        )
        .retry_after(5)
    })?;
    let (response, socket, stream) = actix_ws::handle(&request, payload).map_err(|_| {
        ApiError::bad_request("chat.upgrade_required", "A WebSocket upgrade is required.")
    })?;
    let stream = stream.max_frame_size(state.socket.max_frame_bytes);
    actix_web::rt::spawn(session::run(
        state.as_ref().clone(),
        *room,
        row.id,
        claims,
        seat,
        socket,
        stream,
    ));
    Ok(response)
}

async fn identify(
    state: &AppState,
    request: &HttpRequest,
    query: &SocketQuery,
) -> Result<Option<Arc<AccessClaims>>, ApiError> {
    if let Some(ticket) = &query.ticket {
        let mut conn = state.stack.db.get().await?;
        let claims = ticket::redeem(&mut conn, ticket, state.stack.clock.now()).await?;
        return Ok(claims
            .filter(|claims| !session::has_ended(state, claims))
            .map(Arc::new));
    }
    let Some(token) = query.token.clone().or_else(|| bearer(request)) else {
        return Ok(None);
    };
    match state.stack.verifier.verify_access(&token).await {
        Ok(claims) => Ok(Some(claims)),
        Err(error) if error.is_unavailable() => Err(ApiError::unavailable(
            error.code(),
            "Identity cannot be checked at the moment.",
        )
        .retry_after(2)),
        Err(_) => Ok(None),
    }
}

fn refused(code: &'static str) -> ApiError {
    ApiError::forbidden(code, "You do not have permission to perform this action.")
}
