//! Handlers of rooms. Any valid access token may call; membership is part of every query.

use actix_web::{HttpResponse, web::Data};
use serde::Deserialize;
use serde_json::json;
use service_http::{ApiError, Caller, Json, PageQuery, Path, Query};
use utoipa::ToSchema;

use super::{CreateRoomRequest, RoomResponse, UpdateRoomRequest, service};
use crate::AppState;

/// Most rooms in one answer; the list is a bare array for today's clients.
const MOST_ROOMS: i64 = 100;

/// Up to which message a room is read.
#[derive(Debug, Default, Deserialize, ToSchema)]
pub(crate) struct MarkReadRequest {
    /// A message's id; everything when left out.
    #[serde(default)]
    pub(crate) message: Option<i64>,
}

/// The two lists of the chat API.
#[utoipa::path(get, path = "/api/chat/", responses((status = 200, description = "Addresses of the lists")))]
pub(crate) async fn show_api_root(state: Data<AppState>, _caller: Caller) -> HttpResponse {
    let base = state.stack.origins.first().map_or(String::new(), |url| {
        url.as_str().trim_end_matches('/').to_owned()
    });
    HttpResponse::Ok().json(json!({
        "chatrooms": format!("{base}/api/chat/chatrooms/"),
        "messages": format!("{base}/api/chat/messages/"),
    }))
}

/// The caller's rooms, the most recently used first (H02).
#[utoipa::path(get, path = "/api/chat/chatrooms/", responses((status = 200, body = Vec<RoomResponse>)))]
pub(crate) async fn list_rooms(
    state: Data<AppState>,
    caller: Caller,
    query: Query<PageQuery>,
) -> Result<HttpResponse, ApiError> {
    let limit = query.page_size.unwrap_or(MOST_ROOMS).clamp(1, MOST_ROOMS);
    let rooms = service::list_rooms(&state, &caller, query.search(), limit).await?;
    Ok(HttpResponse::Ok().json(rooms))
}

/// Opens the room with another person, or answers the one that exists (H02).
#[utoipa::path(
    post, path = "/api/chat/chatrooms/", request_body = CreateRoomRequest,
    responses((status = 201, body = RoomResponse), (status = 200, body = RoomResponse), (status = 404, description = "No such user"))
)]
pub(crate) async fn create_room(
    state: Data<AppState>,
    caller: Caller,
    request: Json<CreateRoomRequest>,
) -> Result<HttpResponse, ApiError> {
    service::check_texts(request.name.as_deref(), request.descriptions.as_deref())?;
    let (room, is_new) = service::open_room(&state, &caller, &request).await?;
    Ok(if is_new {
        HttpResponse::Created().json(room)
    } else {
        HttpResponse::Ok().json(room)
    })
}

/// One room of the caller.
#[utoipa::path(
    get, path = "/api/chat/chatrooms/{room}/", params(("room" = i64, Path)),
    responses((status = 200, body = RoomResponse), (status = 404, description = "Not a member"))
)]
pub(crate) async fn show_room(
    state: Data<AppState>,
    caller: Caller,
    room: Path<i64>,
) -> Result<HttpResponse, ApiError> {
    Ok(HttpResponse::Ok().json(service::show_room(&state, &caller, *room).await?))
}

/// Changes name, description or state of a room, or the caller's pin.
#[utoipa::path(
    patch, path = "/api/chat/chatrooms/{room}/", params(("room" = i64, Path)), request_body = UpdateRoomRequest,
    responses((status = 200, body = RoomResponse), (status = 403, description = "May not change it"))
)]
pub(crate) async fn update_room(
    state: Data<AppState>,
    caller: Caller,
    room: Path<i64>,
    request: Json<UpdateRoomRequest>,
) -> Result<HttpResponse, ApiError> {
    service::check_texts(request.name.as_deref(), request.descriptions.as_deref())?;
    if request
        .status
        .is_some_and(|status| !(1..=3).contains(&status))
    {
        let given = request.status.unwrap_or_default().to_string();
        return Err(ApiError::invalid().field("status", service_http::text::not_a_choice(&given)));
    }
    Ok(HttpResponse::Ok().json(service::update_room(&state, &caller, *room, &request).await?))
}

/// The caller leaves the room; its messages stay.
#[utoipa::path(
    delete, path = "/api/chat/chatrooms/{room}/", params(("room" = i64, Path)),
    responses((status = 204, description = "Left"))
)]
pub(crate) async fn leave_room(
    state: Data<AppState>,
    caller: Caller,
    room: Path<i64>,
) -> Result<HttpResponse, ApiError> {
    service::leave_room(&state, &caller, *room).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Marks messages as read by the caller.
#[utoipa::path(
    post, path = "/api/chat/chatrooms/{room}/read/", params(("room" = i64, Path)), request_body = MarkReadRequest,
    responses((status = 200, body = RoomResponse))
)]
pub(crate) async fn mark_room_read(
    state: Data<AppState>,
    caller: Caller,
    room: Path<i64>,
    request: Json<MarkReadRequest>,
) -> Result<HttpResponse, ApiError> {
    Ok(HttpResponse::Ok().json(service::mark_read(&state, &caller, *room, request.message).await?))
}
