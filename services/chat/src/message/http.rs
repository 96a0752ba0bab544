//! Handlers of messages. Only members of a room read or write in it.

use actix_web::{HttpResponse, web::Data};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Deserialize;
use service_http::{ApiError, Caller, Json, Path, Query};

use super::{
    CreateMessageRequest, Draft, MessageResponse,
    dto::MessagePage,
    service::{self, Window},
};
use crate::{AppState, error::ChatError, room::service as rooms};

/// Messages on a page (wire.md 4.4).
const PAGE: i64 = 30;
const MOST: i64 = 100;

/// Which messages are asked for.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct MessageQuery {
    chat_room: Option<i64>,
    cursor: Option<String>,
    /// Messages newer than this id, oldest first: what a client missed.
    after: Option<i64>,
    page_size: Option<i64>,
}

/// Messages of a room by cursor, newest first; empty without `chat_room` (H02).
#[utoipa::path(
    get, path = "/api/chat/messages/",
    params(("chat_room" = Option<i64>, Query), ("cursor" = Option<String>, Query), ("after" = Option<i64>, Query), ("page_size" = Option<i64>, Query)),
    responses((status = 200, body = MessagePage), (status = 404, description = "Not a member"))
)]
pub(crate) async fn list_messages(
    state: Data<AppState>,
    caller: Caller,
    query: Query<MessageQuery>,
) -> Result<HttpResponse, ApiError> {
    let Some(room) = query.chat_room else {
        return Ok(HttpResponse::Ok().json(MessagePage {
            next: None,
            previous: None,
            results: Vec::new(),
        }));
    };
    let limit = query.page_size.unwrap_or(PAGE).clamp(1, MOST);
    let window = match (&query.cursor, query.after) {
        (Some(cursor), _) => read_cursor(cursor)?,
        (None, Some(after)) => Window::After(after),
        (None, None) => Window::Newest,
    };
    let (results, has_more) = service::list_messages(&state, &caller, room, window, limit).await?;
    let link = |cursor: String| link(&state, room, limit, &cursor);
    let (first, last) = (
        results.first().map(|message| message.id),
        results.last().map(|message| message.id),
    );
    let (next, previous) = match window {
        Window::After(_) => (
            last.filter(|_| has_more)
                .map(|id| link(write_cursor('a', id))),
            None,
        ),
        Window::Newest => (
            last.filter(|_| has_more)
                .map(|id| link(write_cursor('b', id))),
            None,
        ),
        Window::Before(_) => (
            last.filter(|_| has_more)
                .map(|id| link(write_cursor('b', id))),
            first.map(|id| link(write_cursor('a', id))),
        ),
    };
    Ok(HttpResponse::Ok().json(MessagePage {
        next,
        previous,
        results,
    }))
}

/// Posts a message; it reaches open sockets too (H02).
#[utoipa::path(
    post, path = "/api/chat/messages/", request_body = CreateMessageRequest,
    responses((status = 201, body = MessageResponse), (status = 400, description = "What is wrong"), (status = 404, description = "Not a member"))
)]
pub(crate) async fn create_message(
    state: Data<AppState>,
    caller: Caller,
    request: Json<CreateMessageRequest>,
) -> Result<HttpResponse, ApiError> {
    let request = request.into_inner();
    let room = request.chat_room.ok_or(ChatError::ChatRoomMissing)?;
    if request
        .client_id
        .as_deref()
        .is_some_and(|id| id.chars().count() > 64)
    {
        return Err(ApiError::invalid().field("client_id", service_http::text::too_long(64)));
    }
    let draft = Draft {
        text: request.text,
        message_type: request.message_type,
        attach_id: request.attach_id,
        lat: request.lat,
        lng: request.lng,
        client_id: request.client_id,
    };
    let posted = service::post_message(&state, &caller, room, &draft).await?;
    let mut response = service::show_message(&state, &caller, room, posted.row.number).await?;
    response.chat_room = Some(rooms::show_room(&state, &caller, room).await?);
    Ok(HttpResponse::Created().json(response))
}

/// One message; needs `chat_room`.
#[utoipa::path(
    get, path = "/api/chat/messages/{message}/", params(("message" = i64, Path), ("chat_room" = i64, Query)),
    responses((status = 200, body = MessageResponse), (status = 404, description = "Not a member, or not in this room"))
)]
pub(crate) async fn show_message(
    state: Data<AppState>,
    caller: Caller,
    message: Path<i64>,
    query: Query<MessageQuery>,
) -> Result<HttpResponse, ApiError> {
    let room = query.chat_room.ok_or(ChatError::MessageNotFound)?;
    Ok(HttpResponse::Ok().json(service::show_message(&state, &caller, room, *message).await?))
}

fn write_cursor(direction: char, number: i64) -> String {
    URL_SAFE_NO_PAD.encode(format!("{direction}{number}"))
}

fn read_cursor(cursor: &str) -> Result<Window, ChatError> {
    let decoded = URL_SAFE_NO_PAD
        .decode(cursor)
        .map_err(|_| ChatError::CursorInvalid)?;
    let text = std::str::from_utf8(&decoded).map_err(|_| ChatError::CursorInvalid)?;
    let number = |text: &str| text.parse().map_err(|_| ChatError::CursorInvalid);
    match (text.strip_prefix('b'), text.strip_prefix('a')) {
        (Some(rest), _) => Ok(Window::Before(number(rest)?)),
        (_, Some(rest)) => Ok(Window::After(number(rest)?)),
        _ => Err(ChatError::CursorInvalid),
    }
}

fn link(state: &AppState, room: i64, limit: i64, cursor: &str) -> String {
    let base = state
        .stack
        .origins
        .first()
        .map_or("", |url| url.as_str().trim_end_matches('/'));
    let size = if limit == PAGE {
        String::new()
    } else {
        format!("&page_size={limit}")
    };
    format!("{base}/api/chat/messages/?chat_room={room}&cursor={cursor}{size}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_are_read_back_and_foreign_ones_refused() {
        assert!(matches!(
            read_cursor(&write_cursor('b', 42)),
            Ok(Window::Before(42))
        ));
        assert!(matches!(
            read_cursor(&write_cursor('a', 7)),
            Ok(Window::After(7))
        ));
        for bad in ["", "%%", "eDE", "YmFk"] {
            assert!(read_cursor(bad).is_err(), "{bad}");
        }
    }
}
