//! Rows of files, of what lies in the store without one, and of used tickets.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::schema::{file_leftovers, file_tickets_used, files};

/// A file; also its form on the wire.
#[derive(Clone, Debug, Queryable, Selectable, Insertable, Serialize, ToSchema)]
#[diesel(table_name = files)]
pub(crate) struct FileRow {
    pub(crate) id: Uuid,
    #[serde(skip)]
    pub(crate) organization_id: Uuid,
    pub(crate) uploader_id: Uuid,
    /// `document` or `audio`.
    pub(crate) kind: String,
    pub(crate) file_name: String,
    pub(crate) content_type: String,
    pub(crate) size_bytes: i64,
    pub(crate) sha256: String,
    #[serde(skip)]
    pub(crate) storage_key: String,
    /// `clean` or `unscanned`.
    pub(crate) scan_state: String,
    pub(crate) created_at: DateTime<Utc>,
}

/// Notes what will lie in the store, so that a crash leaves nothing unknown.
pub(crate) async fn insert_leftover(
    conn: &mut AsyncPgConnection,
    storage_key: &str,
    remove_after: DateTime<Utc>,
) -> QueryResult<usize> {
    diesel::insert_into(file_leftovers::table)
        .values((
            file_leftovers::storage_key.eq(storage_key),
            file_leftovers::remove_after.eq(remove_after),
        ))
        .on_conflict(file_leftovers::storage_key)
        .do_update()
        .set(file_leftovers::remove_after.eq(remove_after))
        .execute(conn)
        .await
}

pub(crate) async fn delete_leftover(
    conn: &mut AsyncPgConnection,
    storage_key: &str,
) -> QueryResult<usize> {
    diesel::delete(file_leftovers::table.find(storage_key))
        .execute(conn)
        .await
}

pub(crate) async fn list_due_leftovers(
    conn: &mut AsyncPgConnection,
    now: DateTime<Utc>,
    limit: i64,
) -> QueryResult<Vec<String>> {
    file_leftovers::table
        .filter(file_leftovers::remove_after.le(now))
        .order(file_leftovers::remove_after)
        .limit(limit)
        .select(file_leftovers::storage_key)
        .load(conn)
        .await
}

/// Makes the file a file: its row appears and the note of its upload goes. Answers false when the sweep was faster.
pub(crate) async fn insert_file(conn: &mut AsyncPgConnection, row: FileRow) -> QueryResult<bool> {
    if delete_leftover(conn, &row.storage_key).await? == 0 {
        return Ok(false);
    }
    diesel::insert_into(files::table)
        .values(row)
        .execute(conn)
        .await?;
    Ok(true)
}

pub(crate) async fn find_file(
    conn: &mut AsyncPgConnection,
    organization: Uuid,
    id: Uuid,
) -> QueryResult<Option<FileRow>> {
    files::table
        .find(id)
        .filter(files::organization_id.eq(organization))
        .select(FileRow::as_select())
        .first(conn)
        .await
        .optional()
}

/// The file that a ticket names; the ticket is the permission.
pub(crate) async fn find_file_for_ticket(
    conn: &mut AsyncPgConnection,
    id: Uuid,
) -> QueryResult<Option<FileRow>> {
    files::table
        .find(id)
        .select(FileRow::as_select())
        .first(conn)
        .await
        .optional()
}

pub(crate) async fn list_files(
    conn: &mut AsyncPgConnection,
    organization: Uuid,
    kind: Option<&str>,
    search: Option<&str>,
    offset: i64,
    limit: i64,
) -> QueryResult<(i64, Vec<FileRow>)> {
    let selected = || {
        let mut query = files::table
            .filter(files::organization_id.eq(organization))
            .into_boxed::<diesel::pg::Pg>();
        if let Some(kind) = kind {
            query = query.filter(files::kind.eq(kind.to_owned()));
        }
        if let Some(search) = search {
            let pattern = format!("%{}%", search.replace(['%', '_', '\\'], ""));
            query = query.filter(files::file_name.ilike(pattern));
        }
        query
    };
    let count = selected().count().get_result(conn).await?;
    let rows = selected()
        .order((files::created_at.desc(), files::id.desc()))
        .offset(offset)
        .limit(limit)
        .select(FileRow::as_select())
        .load(conn)
        .await?;
    Ok((count, rows))
}

/// Removes a file's row and notes that its bytes are to go now.
pub(crate) async fn delete_file(
    conn: &mut AsyncPgConnection,
    row: &FileRow,
    now: DateTime<Utc>,
) -> QueryResult<()> {
    diesel::delete(files::table.find(row.id))
        .execute(conn)
        .await?;
    insert_leftover(conn, &row.storage_key, now)
        .await
        .map(|_| ())
}

/// Uses a ticket up; answers false when it was used before.
pub(crate) async fn use_ticket(
    conn: &mut AsyncPgConnection,
    nonce: Uuid,
    expires_at: DateTime<Utc>,
) -> QueryResult<bool> {
    let inserted = diesel::insert_into(file_tickets_used::table)
        .values((
            file_tickets_used::nonce.eq(nonce),
            file_tickets_used::expires_at.eq(expires_at),
        ))
        .on_conflict_do_nothing()
        .execute(conn)
        .await?;
    Ok(inserted == 1)
}

pub(crate) async fn delete_old_tickets(
    conn: &mut AsyncPgConnection,
    now: DateTime<Utc>,
) -> QueryResult<usize> {
    diesel::delete(file_tickets_used::table.filter(file_tickets_used::expires_at.lt(now)))
        .execute(conn)
        .await
}
