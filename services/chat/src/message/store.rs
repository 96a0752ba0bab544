//! Rows of messages.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use crate::schema::{attachments, messages};

#[derive(Clone, Debug, Queryable, Selectable)]
#[diesel(table_name = messages)]
pub(crate) struct MessageRow {
    pub(crate) number: i64,
    pub(crate) sender_id: Uuid,
    pub(crate) message_type: String,
    pub(crate) text: String,
    pub(crate) attachment_id: Option<Uuid>,
    pub(crate) lat: Option<f64>,
    pub(crate) lng: Option<f64>,
    pub(crate) client_id: Option<String>,
    pub(crate) created_at: DateTime<Utc>,
}

#[derive(Insertable)]
#[diesel(table_name = messages)]
pub(crate) struct NewMessage<'a> {
    pub(crate) id: Uuid,
    pub(crate) room_id: Uuid,
    pub(crate) sender_id: Uuid,
    pub(crate) message_type: &'a str,
    pub(crate) text: &'a str,
    pub(crate) attachment_id: Option<Uuid>,
    pub(crate) lat: Option<f64>,
    pub(crate) lng: Option<f64>,
    pub(crate) client_id: Option<&'a str>,
    pub(crate) created_at: DateTime<Utc>,
}

/// Stores the message; `None` when the sender has sent one of this `client_id` before.
pub(crate) async fn insert_message(
    conn: &mut AsyncPgConnection,
    message: &NewMessage<'_>,
) -> QueryResult<Option<MessageRow>> {
    diesel::insert_into(messages::table)
        .values(message)
        .on_conflict((messages::room_id, messages::sender_id, messages::client_id))
        .do_nothing()
        .returning(MessageRow::as_returning())
        .get_result(conn)
        .await
        .optional()
}

pub(crate) async fn get_by_client_id(
    conn: &mut AsyncPgConnection,
    room: Uuid,
    sender: Uuid,
    client_id: &str,
) -> QueryResult<MessageRow> {
    messages::table
        .filter(
            messages::room_id
                .eq(room)
                .and(messages::sender_id.eq(sender))
                .and(messages::client_id.eq(client_id)),
        )
        .select(MessageRow::as_select())
        .first(conn)
        .await
}

pub(crate) async fn find_message_in_room(
    conn: &mut AsyncPgConnection,
    room: Uuid,
    number: i64,
) -> QueryResult<Option<MessageRow>> {
    messages::table
        .filter(messages::room_id.eq(room).and(messages::number.eq(number)))
        .select(MessageRow::as_select())
        .first(conn)
        .await
        .optional()
}

pub(crate) async fn find_last_number(
    conn: &mut AsyncPgConnection,
    room: Uuid,
) -> QueryResult<Option<i64>> {
    messages::table
        .filter(messages::room_id.eq(room))
        .order(messages::number.desc())
        .select(messages::number)
        .first(conn)
        .await
        .optional()
}

/// Up to `limit` messages older than `before` (the newest, when not given), newest first.
pub(crate) async fn list_before(
    conn: &mut AsyncPgConnection,
    room: Uuid,
    before: Option<i64>,
    limit: i64,
) -> QueryResult<Vec<MessageRow>> {
    let mut query = messages::table
        .filter(messages::room_id.eq(room))
        .order(messages::number.desc())
        .limit(limit)
        .select(MessageRow::as_select())
        .into_boxed();
    if let Some(before) = before {
        query = query.filter(messages::number.lt(before));
    }
    query.load(conn).await
}

/// Up to `limit` messages newer than `after`, oldest first.
pub(crate) async fn list_after(
    conn: &mut AsyncPgConnection,
    room: Uuid,
    after: i64,
    limit: i64,
) -> QueryResult<Vec<MessageRow>> {
    messages::table
        .filter(messages::room_id.eq(room).and(messages::number.gt(after)))
        .order(messages::number.asc())
        .limit(limit)
        .select(MessageRow::as_select())
        .load(conn)
        .await
}

/// The attachment's id when it was uploaded to this room by this person.
pub(crate) async fn find_attachment(
    conn: &mut AsyncPgConnection,
    room: Uuid,
    uploader: Uuid,
    number: i64,
) -> QueryResult<Option<Uuid>> {
    attachments::table
        .filter(
            attachments::room_id
                .eq(room)
                .and(attachments::uploader_id.eq(uploader))
                .and(attachments::number.eq(number)),
        )
        .select(attachments::id)
        .first(conn)
        .await
        .optional()
}

/// Names of attachments, for their addresses.
pub(crate) async fn list_attachment_names(
    conn: &mut AsyncPgConnection,
    ids: &[Uuid],
) -> QueryResult<Vec<(Uuid, String)>> {
    attachments::table
        .filter(attachments::id.eq_any(ids))
        .select((attachments::id, attachments::file_name))
        .load(conn)
        .await
}
