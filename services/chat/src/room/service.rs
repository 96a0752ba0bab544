//! Opening, changing and showing rooms.

use std::collections::HashMap;

use common_types::AccessClaims;
use diesel_async::AsyncPgConnection;
use service_http::{ApiError, FieldErrors, text};
use uuid::Uuid;

use super::{
    CreateRoomRequest, RoomResponse, UpdateRoomRequest, UserResponse,
    dto::MemberAccess,
    store::{self, MemberRow, NewRoom, RoomChange, RoomRow},
};
use crate::{
    AppState,
    error::ChatError,
    person::{Person, store as people},
};

/// Longest room name (wire.md 4.4).
const NAME_LENGTH: usize = 45;
/// Longest description.
const DESCRIPTION_LENGTH: usize = 2_000;

/// Checks the texts of a room.
pub(crate) fn check_texts(name: Option<&str>, descriptions: Option<&str>) -> Result<(), ApiError> {
    let mut wrong = FieldErrors::new();
    if name.is_some_and(|name| name.chars().count() > NAME_LENGTH) {
        wrong
            .entry("name".into())
            .or_default()
            .push(text::too_long(NAME_LENGTH));
    }
    if descriptions.is_some_and(|text| text.chars().count() > DESCRIPTION_LENGTH) {
        wrong
            .entry("descriptions".into())
            .or_default()
            .push(text::too_long(DESCRIPTION_LENGTH));
    }
    if wrong.is_empty() {
        Ok(())
    } else {
        Err(ApiError::invalid().fields(wrong))
    }
}

/// The room of the caller and another person, made when there is none. Answers whether it is new.
pub(crate) async fn open_room(
    state: &AppState,
    caller: &AccessClaims,
    request: &CreateRoomRequest,
) -> Result<(RoomResponse, bool), ChatError> {
    let other_number = request.user_id.ok_or(ChatError::UserMissing)?;
    let now = state.stack.clock.now();
    state
        .stack
        .db
        .transaction(async |conn| {
            people::insert_caller(conn, caller, now).await?;
            let other = people::find_by_number(conn, other_number)
                .await?
                .ok_or(ChatError::UserNotFound)?;
            if other.id == caller.sub {
                return Err(ChatError::SelfRoom);
            }
            let me = people::find_person(conn, caller.sub)
                .await?
                .ok_or(ChatError::UserNotFound)?;
            if !may_talk(caller, &me, &other) {
                return Err(ChatError::UserNotFound);
            }
            let key = store::pair_key(caller.sub, other.id);
            let room = NewRoom {
                id: Uuid::now_v7(),
                organization_id: caller
                    .org
                    .or_else(|| other.clinic_organization_ids.first().copied()),
                pair_key: Some(&key),
                name: request.name.as_deref().unwrap_or_default(),
                descriptions: request.descriptions.as_deref().unwrap_or_default(),
                created_by: caller.sub,
                created_at: now,
                updated_at: now,
            };
            let is_new = store::insert_room(conn, &room).await?;
            let row = store::find_room_of_pair(conn, &key)
                .await?
                .ok_or(ChatError::RoomNotFound)?;
            // Also for an existing room: who left it comes back.
            store::insert_members(conn, row.id, &[caller.sub, other.id], now).await?;
            let response = present(conn, caller.sub, vec![row])
                .await?
                .pop()
                .ok_or(ChatError::RoomNotFound)?;
            Ok((response, is_new))
        })
        .await
}

/// Staff talk with colleagues of their organisation and with people who belong to none; others only
/// with clinic staff. Whoever may not be talked to looks like nobody.
fn may_talk(caller: &AccessClaims, me: &Person, other: &Person) -> bool {
    if !other.is_active {
        return false;
    }
    let is_staff = caller.superuser || (caller.org.is_some() && caller.clinic_role.is_some());
    if !is_staff {
        return other.is_clinic_staff();
    }
    other.organization_ids.is_empty()
        || caller
            .org
            .is_some_and(|organization| other.organization_ids.contains(&organization))
        || me
            .organization_ids
            .iter()
            .any(|organization| other.organization_ids.contains(organization))
}

/// The caller's rooms, the most recently used first.
pub(crate) async fn list_rooms(
    state: &AppState,
    caller: &AccessClaims,
    search: Option<&str>,
    limit: i64,
) -> Result<Vec<RoomResponse>, ChatError> {
    let mut conn = state.stack.db.get().await?;
    let rows = store::list_rooms_for_member(&mut conn, caller.sub, search, limit).await?;
    present(&mut conn, caller.sub, rows).await
}

/// One room of the caller.
pub(crate) async fn show_room(
    state: &AppState,
    caller: &AccessClaims,
    number: i64,
) -> Result<RoomResponse, ChatError> {
    let mut conn = state.stack.db.get().await?;
    let (row, _) = store::find_room_for_member(&mut conn, number, caller.sub)
        .await?
        .ok_or(ChatError::RoomNotFound)?;
    present(&mut conn, caller.sub, vec![row])
        .await?
        .pop()
        .ok_or(ChatError::RoomNotFound)
}

/// Changes name, description, state (staff only) or the caller's pin.
pub(crate) async fn update_room(
    state: &AppState,
    caller: &AccessClaims,
    number: i64,
    request: &UpdateRoomRequest,
) -> Result<RoomResponse, ChatError> {
    let now = state.stack.clock.now();
    state
        .stack
        .db
        .transaction(async |conn| {
            let (row, member) = store::find_room_for_member(conn, number, caller.sub)
                .await?
                .ok_or(ChatError::RoomNotFound)?;
            if let Some(pinned) = request.pinned {
                store::update_pinned(conn, row.id, caller.sub, pinned).await?;
            }
            let changes_room = request.name.is_some()
                || request.descriptions.is_some()
                || request.status.is_some();
            let row = if changes_room {
                let is_staff = caller.superuser || caller.clinic_role.is_some();
                if !member.may_write() || (request.status.is_some() && !is_staff) {
                    return Err(ChatError::NotRoomAdmin);
                }
                let change = RoomChange {
                    name: request.name.as_deref(),
                    descriptions: request.descriptions.as_deref(),
                    status: request.status,
                    updated_at: now,
                };
                store::update_room(conn, row.id, &change).await?
            } else {
                row
            };
            present(conn, caller.sub, vec![row])
                .await?
                .pop()
                .ok_or(ChatError::RoomNotFound)
        })
        .await
}

/// The caller leaves; messages stay for the others.
pub(crate) async fn leave_room(
    state: &AppState,
    caller: &AccessClaims,
    number: i64,
) -> Result<(), ChatError> {
    let room = state
        .stack
        .db
        .transaction(async |conn| {
            let (row, _) = store::find_room_for_member(conn, number, caller.sub)
                .await?
                .ok_or(ChatError::RoomNotFound)?;
            store::delete_member(conn, row.id, caller.sub).await?;
            Ok::<_, ChatError>(row.id)
        })
        .await?;
    state.hub.expel(room, caller.sub);
    Ok(())
}

/// Marks messages up to `message` (all, when not given) as read by the caller.
pub(crate) async fn mark_read(
    state: &AppState,
    caller: &AccessClaims,
    number: i64,
    message: Option<i64>,
) -> Result<RoomResponse, ChatError> {
    state
        .stack
        .db
        .transaction(async |conn| {
            let (row, _) = store::find_room_for_member(conn, number, caller.sub)
                .await?
                .ok_or(ChatError::RoomNotFound)?;
            let last = crate::message::store::find_last_number(conn, row.id)
                .await?
                .unwrap_or(0);
            let upto = message.unwrap_or(last).clamp(0, last);
            store::update_last_read(conn, row.id, caller.sub, upto).await?;
            present(conn, caller.sub, vec![row])
                .await?
                .pop()
                .ok_or(ChatError::RoomNotFound)
        })
        .await
}

/// Rooms with their members and the caller's unread counts, in three queries for any number of rooms.
async fn present(
    conn: &mut AsyncPgConnection,
    caller: Uuid,
    rows: Vec<RoomRow>,
) -> Result<Vec<RoomResponse>, ChatError> {
    let ids: Vec<Uuid> = rows.iter().map(|row| row.id).collect();
    let mut members: HashMap<Uuid, Vec<MemberRow>> = HashMap::new();
    let all = store::list_members(conn, &ids).await?;
    let person_ids: Vec<Uuid> = all.iter().map(|member| member.user_id).collect();
    for member in all {
        members.entry(member.room_id).or_default().push(member);
    }
    let persons: HashMap<Uuid, Person> = people::list_people(conn, &person_ids)
        .await?
        .into_iter()
        .map(|person| (person.id, person))
        .collect();
    let unread: HashMap<Uuid, i64> = store::list_unread_counts(conn, &ids, caller)
        .await?
        .into_iter()
        .collect();
    Ok(rows
        .into_iter()
        .map(|row| {
            let members = members.remove(&row.id).unwrap_or_default();
            let number =
                |member: &MemberRow| persons.get(&member.user_id).map(|person| person.number);
            RoomResponse {
                id: row.number,
                user_1: None,
                user_2: None,
                users: members
                    .iter()
                    .filter_map(|member| persons.get(&member.user_id))
                    .map(UserResponse::from)
                    .collect(),
                unread_count: unread.get(&row.id).copied().unwrap_or(0),
                status: row.status,
                name: row.name,
                descriptions: row.descriptions,
                updated_at: row.updated_at,
                created_at: row.created_at,
                organization: None,
                pinned_for: members
                    .iter()
                    .filter(|member| member.is_pinned)
                    .filter_map(number)
                    .collect(),
                permissions: members
                    .iter()
                    .filter_map(|member| {
                        Some(MemberAccess {
                            user: number(member)?,
                            access: member.permissions.clone(),
                        })
                    })
                    .collect(),
                banneds: members
                    .iter()
                    .filter(|member| member.is_banned)
                    .filter_map(number)
                    .collect(),
            }
        })
        .collect())
}
