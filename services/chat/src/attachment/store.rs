//! Rows of attachments.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use crate::schema::{attachments, room_members};

#[derive(Clone, Debug, Queryable, Selectable)]
#[diesel(table_name = attachments)]
pub(crate) struct AttachmentRow {
    pub(crate) id: Uuid,
    pub(crate) number: i64,
    pub(crate) storage_key: String,
    pub(crate) file_name: String,
    pub(crate) content_type: String,
    pub(crate) text: String,
    pub(crate) created_at: DateTime<Utc>,
}

#[derive(Insertable)]
#[diesel(table_name = attachments)]
pub(crate) struct NewAttachment<'a> {
    pub(crate) id: Uuid,
    pub(crate) room_id: Uuid,
    pub(crate) uploader_id: Uuid,
    pub(crate) storage_key: &'a str,
    pub(crate) file_name: &'a str,
    pub(crate) content_type: &'a str,
    pub(crate) size_bytes: i64,
    pub(crate) sha256: &'a str,
    pub(crate) text: &'a str,
    pub(crate) created_at: DateTime<Utc>,
}

pub(crate) async fn insert_attachment(
    conn: &mut AsyncPgConnection,
    attachment: &NewAttachment<'_>,
) -> QueryResult<AttachmentRow> {
    diesel::insert_into(attachments::table)
        .values(attachment)
        .returning(AttachmentRow::as_returning())
        .get_result(conn)
        .await
}

/// The attachment, for a member of its room.
pub(crate) async fn find_attachment_for_member(
    conn: &mut AsyncPgConnection,
    id: Uuid,
    user: Uuid,
) -> QueryResult<Option<AttachmentRow>> {
    attachments::table
        .inner_join(room_members::table.on(room_members::room_id.eq(attachments::room_id)))
        .filter(attachments::id.eq(id).and(room_members::user_id.eq(user)))
        .select(AttachmentRow::as_select())
        .first(conn)
        .await
        .optional()
}
