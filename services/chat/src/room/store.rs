//! Rows of rooms and members. Every read goes through the membership of the caller.

use chrono::{DateTime, Utc};
use diesel::{dsl::count_star, prelude::*};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use crate::schema::{messages, room_members, rooms};

/// Open: members may write.
pub(crate) const OPEN: i16 = 1;
/// The access code of a member who may only read.
const READ_ONLY: i16 = 0;

#[derive(Clone, Debug, Queryable, Selectable)]
#[diesel(table_name = rooms)]
pub(crate) struct RoomRow {
    pub(crate) id: Uuid,
    pub(crate) number: i64,
    pub(crate) organization_id: Option<Uuid>,
    pub(crate) status: i16,
    pub(crate) name: String,
    pub(crate) descriptions: String,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) updated_at: DateTime<Utc>,
}

#[derive(Clone, Debug, Queryable, Selectable)]
#[diesel(table_name = room_members)]
pub(crate) struct MemberRow {
    pub(crate) room_id: Uuid,
    pub(crate) user_id: Uuid,
    pub(crate) last_read_number: i64,
    pub(crate) is_pinned: bool,
    pub(crate) is_banned: bool,
    pub(crate) permissions: Vec<i16>,
}

impl MemberRow {
    /// Neither banned nor read-only.
    pub(crate) fn may_write(&self) -> bool {
        !self.is_banned && !self.permissions.contains(&READ_ONLY)
    }
}

#[derive(Insertable)]
#[diesel(table_name = rooms)]
pub(crate) struct NewRoom<'a> {
    pub(crate) id: Uuid,
    pub(crate) organization_id: Option<Uuid>,
    pub(crate) pair_key: Option<&'a str>,
    pub(crate) name: &'a str,
    pub(crate) descriptions: &'a str,
    pub(crate) created_by: Uuid,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) updated_at: DateTime<Utc>,
}

/// The key under which two people have one room.
pub(crate) fn pair_key(a: Uuid, b: Uuid) -> String {
    if a < b {
        format!("{a}:{b}")
    } else {
        format!("{b}:{a}")
    }
}

/// Makes the room, unless its pair has one already; answers whether it was made.
pub(crate) async fn insert_room(
    conn: &mut AsyncPgConnection,
    room: &NewRoom<'_>,
) -> QueryResult<bool> {
    let made = diesel::insert_into(rooms::table)
        .values(room)
        .on_conflict(rooms::pair_key)
        .do_nothing()
        .execute(conn)
        .await?;
    Ok(made == 1)
}

pub(crate) async fn insert_members(
    conn: &mut AsyncPgConnection,
    room: Uuid,
    users: &[Uuid],
    now: DateTime<Utc>,
) -> QueryResult<()> {
    let rows: Vec<_> = users
        .iter()
        .map(|user| {
            (
                room_members::room_id.eq(room),
                room_members::user_id.eq(user),
                room_members::joined_at.eq(now),
            )
        })
        .collect();
    diesel::insert_into(room_members::table)
        .values(rows)
        .on_conflict_do_nothing()
        .execute(conn)
        .await?;
    Ok(())
}

pub(crate) async fn find_room_of_pair(
    conn: &mut AsyncPgConnection,
    key: &str,
) -> QueryResult<Option<RoomRow>> {
    rooms::table
        .filter(rooms::pair_key.eq(key))
        .select(RoomRow::as_select())
        .first(conn)
        .await
        .optional()
}

/// The room with the caller's membership; nothing when the caller is not a member.
pub(crate) async fn find_room_for_member(
    conn: &mut AsyncPgConnection,
    number: i64,
    user: Uuid,
) -> QueryResult<Option<(RoomRow, MemberRow)>> {
    rooms::table
        .inner_join(room_members::table.on(room_members::room_id.eq(rooms::id)))
        .filter(rooms::number.eq(number).and(room_members::user_id.eq(user)))
        .select((RoomRow::as_select(), MemberRow::as_select()))
        .first(conn)
        .await
        .optional()
}

/// Rooms of a person, the most recently used first.
pub(crate) async fn list_rooms_for_member(
    conn: &mut AsyncPgConnection,
    user: Uuid,
    search: Option<&str>,
    limit: i64,
) -> QueryResult<Vec<RoomRow>> {
    let mut query = rooms::table
        .inner_join(room_members::table.on(room_members::room_id.eq(rooms::id)))
        .filter(room_members::user_id.eq(user))
        .order((rooms::updated_at.desc(), rooms::number.desc()))
        .limit(limit)
        .select(RoomRow::as_select())
        .into_boxed();
    if let Some(text) = search {
        let escaped = text
            .replace('\\', "\\\\")
            .replace('%', "\\%")
            .replace('_', "\\_");
        query = query.filter(rooms::name.ilike(format!("%{escaped}%")));
    }
    query.load(conn).await
}

pub(crate) async fn list_members(
    conn: &mut AsyncPgConnection,
    rooms: &[Uuid],
) -> QueryResult<Vec<MemberRow>> {
    room_members::table
        .filter(room_members::room_id.eq_any(rooms))
        .order((
            room_members::room_id,
            room_members::joined_at,
            room_members::user_id,
        ))
        .select(MemberRow::as_select())
        .load(conn)
        .await
}

/// Messages of each room that the person has not marked as read.
pub(crate) async fn list_unread_counts(
    conn: &mut AsyncPgConnection,
    room_ids: &[Uuid],
    user: Uuid,
) -> QueryResult<Vec<(Uuid, i64)>> {
    messages::table
        .inner_join(
            room_members::table.on(room_members::room_id
                .eq(messages::room_id)
                .and(room_members::user_id.eq(user))),
        )
        .filter(
            messages::room_id
                .eq_any(room_ids)
                .and(messages::number.gt(room_members::last_read_number)),
        )
        .group_by(messages::room_id)
        .select((messages::room_id, count_star()))
        .load(conn)
        .await
}

#[derive(AsChangeset)]
#[diesel(table_name = rooms)]
pub(crate) struct RoomChange<'a> {
    pub(crate) name: Option<&'a str>,
    pub(crate) descriptions: Option<&'a str>,
    pub(crate) status: Option<i16>,
    pub(crate) updated_at: DateTime<Utc>,
}

pub(crate) async fn update_room(
    conn: &mut AsyncPgConnection,
    room: Uuid,
    change: &RoomChange<'_>,
) -> QueryResult<RoomRow> {
    diesel::update(rooms::table.find(room))
        .set(change)
        .returning(RoomRow::as_returning())
        .get_result(conn)
        .await
}

pub(crate) async fn update_pinned(
    conn: &mut AsyncPgConnection,
    room: Uuid,
    user: Uuid,
    pinned: bool,
) -> QueryResult<()> {
    diesel::update(room_members::table.find((room, user)))
        .set(room_members::is_pinned.eq(pinned))
        .execute(conn)
        .await?;
    Ok(())
}

/// Marks everything up to `number` as read; never goes back.
pub(crate) async fn update_last_read(
    conn: &mut AsyncPgConnection,
    room: Uuid,
    user: Uuid,
    number: i64,
) -> QueryResult<()> {
    diesel::update(
        room_members::table
            .find((room, user))
            .filter(room_members::last_read_number.lt(number)),
    )
    .set(room_members::last_read_number.eq(number))
    .execute(conn)
    .await?;
    Ok(())
}

pub(crate) async fn touch_room(
    conn: &mut AsyncPgConnection,
    room: Uuid,
    now: DateTime<Utc>,
) -> QueryResult<()> {
    diesel::update(rooms::table.find(room))
        .set(rooms::updated_at.eq(now))
        .execute(conn)
        .await?;
    Ok(())
}

pub(crate) async fn delete_member(
    conn: &mut AsyncPgConnection,
    room: Uuid,
    user: Uuid,
) -> QueryResult<()> {
    diesel::delete(room_members::table.find((room, user)))
        .execute(conn)
        .await?;
    Ok(())
}
