//! Posting and listing messages. REST and sockets share this code.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use common_types::AccessClaims;
use diesel_async::AsyncPgConnection;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    MessageResponse,
    store::{self, MessageRow, NewMessage},
};
use crate::{
    AppState, attachment,
    error::ChatError,
    person::{Person, store as people},
    room::{UserResponse, store as rooms},
};

/// Longest text of a message, in characters.
pub(crate) const TEXT_LENGTH: usize = 8_000;
const TYPES: [&str; 4] = ["text", "image", "file", "location"];

/// What someone wants to say.
#[derive(Clone, Debug, Default)]
pub(crate) struct Draft {
    pub(crate) text: String,
    pub(crate) message_type: Option<String>,
    pub(crate) attach_id: Option<i64>,
    pub(crate) lat: Option<f64>,
    pub(crate) lng: Option<f64>,
    pub(crate) client_id: Option<String>,
}

impl Draft {
    /// The message type, checked together with what it needs.
    fn check(&self) -> Result<&str, ChatError> {
        let kind = self.message_type.as_deref().unwrap_or("text");
        if !TYPES.contains(&kind) {
            return Err(ChatError::UnknownType(kind.chars().take(40).collect()));
        }
        if self.text.chars().count() > TEXT_LENGTH {
            return Err(ChatError::TextTooLong(TEXT_LENGTH));
        }
        let has_place = self.lat.is_some_and(|lat| (-90.0..=90.0).contains(&lat))
            && self.lng.is_some_and(|lng| (-180.0..=180.0).contains(&lng));
        if kind == "location" && !has_place {
            return Err(ChatError::LocationIncomplete);
        }
        if kind == "text" && self.attach_id.is_none() && self.text.trim().is_empty() {
            return Err(ChatError::TextBlank);
        }
        Ok(kind)
    }
}

/// A stored message and what the members' sockets are told.
#[derive(Clone, Debug)]
pub(crate) struct Posted {
    pub(crate) room_id: Uuid,
    pub(crate) row: MessageRow,
    pub(crate) sender: Person,
    pub(crate) file_url: Option<String>,
    /// False when the same `client_id` had been stored before: nobody is told again.
    pub(crate) is_new: bool,
}

impl Posted {
    /// The frame of wire.md 4.5, with the additive members `room` and `client_id`.
    pub(crate) fn frame(&self, room: i64) -> Value {
        let mut frame = json!({
            "type": "chat_message",
            "id": self.row.number,
            "message": self.row.text,
            "message_type": self.row.message_type,
            "file_url": self.file_url,
            "lat": self.row.lat,
            "lng": self.row.lng,
            "sender": { "id": self.sender.number, "username": self.sender.handle() },
            "created_at": self.row.created_at,
            "room": room,
        });
        if let (Some(client_id), Value::Object(members)) = (&self.row.client_id, &mut frame) {
            members.insert("client_id".into(), client_id.as_str().into());
        }
        frame
    }
}

/// Stores a message of the caller and, once it is durable, tells every open socket of the room.
pub(crate) async fn post_message(
    state: &AppState,
    caller: &AccessClaims,
    room: i64,
    draft: &Draft,
) -> Result<Posted, ChatError> {
    let kind = draft.check()?;
    let now = state.stack.clock.now();
    let posted = state
        .stack
        .db
        .transaction(async |conn| store_message(conn, caller, room, draft, kind, now).await)
        .await?;
    if posted.is_new {
        state
            .hub
            .tell_room(posted.room_id, None, posted.frame(room));
    }
    Ok(posted)
}

async fn store_message(
    conn: &mut AsyncPgConnection,
    caller: &AccessClaims,
    room: i64,
    draft: &Draft,
    kind: &str,
    now: DateTime<Utc>,
) -> Result<Posted, ChatError> {
    let (room, member) = rooms::find_room_for_member(conn, room, caller.sub)
        .await?
        .ok_or(ChatError::RoomUnknown)?;
    if !member.may_write() {
        return Err(ChatError::Banned);
    }
    if room.status != rooms::OPEN {
        return Err(ChatError::RoomClosed);
    }
    let attachment_id = match draft.attach_id {
        Some(number) => Some(
            store::find_attachment(conn, room.id, caller.sub, number)
                .await?
                .ok_or(ChatError::AttachmentNotFound)?,
        ),
        None => None,
    };
    let client_id = draft.client_id.as_deref().filter(|id| !id.is_empty());
    let new = NewMessage {
        id: Uuid::now_v7(),
        room_id: room.id,
        sender_id: caller.sub,
        message_type: kind,
        text: &draft.text,
        attachment_id,
        lat: draft.lat,
        lng: draft.lng,
        client_id,
        created_at: now,
    };
    // The room's row is locked first, so that numbers become visible in their order within a room.
    rooms::touch_room(conn, room.id, now).await?;
    let (row, is_new) = match (store::insert_message(conn, &new).await?, client_id) {
        (Some(row), _) => (row, true),
        (None, Some(client_id)) => (
            store::get_by_client_id(conn, room.id, caller.sub, client_id).await?,
            false,
        ),
        (None, None) => {
            return Err(anyhow::anyhow!("a message without client_id met a conflict").into());
        }
    };
    let sender = people::find_person(conn, caller.sub)
        .await?
        .ok_or(ChatError::RoomUnknown)?;
    let file_url = match row.attachment_id {
        Some(id) => store::list_attachment_names(conn, &[id])
            .await?
            .into_iter()
            .next()
            .map(|(id, name)| attachment::relative_url(id, &name)),
        None => None,
    };
    Ok(Posted {
        room_id: room.id,
        row,
        sender,
        file_url,
        is_new,
    })
}

/// Which part of a room's messages is asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Window {
    /// The newest.
    Newest,
    /// Older than this number.
    Before(i64),
    /// Newer than this number, for a client that was away.
    After(i64),
}

/// Messages of a room of the caller, newest first (oldest first for [`Window::After`]), and whether
/// there are more in that direction.
pub(crate) async fn list_messages(
    state: &AppState,
    caller: &AccessClaims,
    room: i64,
    window: Window,
    limit: i64,
) -> Result<(Vec<MessageResponse>, bool), ChatError> {
    let mut conn = state.stack.db.get().await?;
    let (room, _) = rooms::find_room_for_member(&mut conn, room, caller.sub)
        .await?
        .ok_or(ChatError::RoomUnknown)?;
    let mut rows = match window {
        Window::Newest => store::list_before(&mut conn, room.id, None, limit + 1).await?,
        Window::Before(number) => {
            store::list_before(&mut conn, room.id, Some(number), limit + 1).await?
        }
        Window::After(number) => store::list_after(&mut conn, room.id, number, limit + 1).await?,
    };
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let has_more = rows.len() > limit;
    rows.truncate(limit);
    Ok((present(state, &mut conn, room.id, rows).await?, has_more))
}

/// One message of a room of the caller.
pub(crate) async fn show_message(
    state: &AppState,
    caller: &AccessClaims,
    room: i64,
    number: i64,
) -> Result<MessageResponse, ChatError> {
    let mut conn = state.stack.db.get().await?;
    let (room, _) = rooms::find_room_for_member(&mut conn, room, caller.sub)
        .await?
        .ok_or(ChatError::MessageNotFound)?;
    let row = store::find_message_in_room(&mut conn, room.id, number)
        .await?
        .ok_or(ChatError::MessageNotFound)?;
    present(state, &mut conn, room.id, vec![row])
        .await?
        .pop()
        .ok_or(ChatError::MessageNotFound)
}

async fn present(
    state: &AppState,
    conn: &mut AsyncPgConnection,
    room: Uuid,
    rows: Vec<MessageRow>,
) -> Result<Vec<MessageResponse>, ChatError> {
    let members = rooms::list_members(conn, &[room]).await?;
    let mut ids: Vec<Uuid> = rows.iter().map(|row| row.sender_id).collect();
    ids.extend(members.iter().map(|member| member.user_id));
    let persons: HashMap<Uuid, Person> = people::list_people(conn, &ids)
        .await?
        .into_iter()
        .map(|person| (person.id, person))
        .collect();
    let attached: Vec<Uuid> = rows.iter().filter_map(|row| row.attachment_id).collect();
    let names: HashMap<Uuid, String> = store::list_attachment_names(conn, &attached)
        .await?
        .into_iter()
        .collect();
    Ok(rows
        .into_iter()
        .filter_map(|row| {
            let sender = persons.get(&row.sender_id)?;
            Some(MessageResponse {
                id: row.number,
                sender: UserResponse::from(sender),
                file_url: row.attachment_id.and_then(|id| {
                    names
                        .get(&id)
                        .map(|name| attachment::absolute_url(state, id, name))
                }),
                message_type: row.message_type,
                text: row.text,
                timestamp: row.created_at,
                lat: row.lat,
                lng: row.lng,
                created_at: row.created_at,
                client_id: row.client_id,
                chat_room: None,
                read_by: members
                    .iter()
                    .filter(|member| member.last_read_number >= row.number)
                    .filter_map(|member| persons.get(&member.user_id))
                    .map(|person| person.number)
                    .collect(),
            })
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draft(text: &str, kind: &str) -> Draft {
        Draft {
            text: text.into(),
            message_type: Some(kind.into()),
            ..Draft::default()
        }
    }

    #[test]
    fn a_draft_says_what_is_wrong_with_it() {
        assert_eq!(draft("سلام", "text").check().unwrap(), "text");
        assert!(matches!(
            draft("  ", "text").check(),
            Err(ChatError::TextBlank)
        ));
        assert!(matches!(
            draft("x", "video").check(),
            Err(ChatError::UnknownType(_))
        ));
        assert!(matches!(
            draft("", "location").check(),
            Err(ChatError::LocationIncomplete)
        ));
        let place = Draft {
            lat: Some(35.7),
            lng: Some(51.4),
            ..draft("", "location")
        };
        assert_eq!(place.check().unwrap(), "location");
        let nowhere = Draft {
            lat: Some(f64::NAN),
            lng: Some(51.4),
            ..draft("", "location")
        };
        assert!(matches!(
            nowhere.check(),
            Err(ChatError::LocationIncomplete)
        ));
        let long = draft(&"ا".repeat(TEXT_LENGTH + 1), "text");
        assert!(matches!(long.check(), Err(ChatError::TextTooLong(_))));
    }
}
