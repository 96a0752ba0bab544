//! The rows of versions.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    content::store::{self as content, ContentRow},
    directory::store as directory,
    job::store as job,
    schema::versions,
};

#[derive(Clone, Debug, Queryable, Selectable)]
#[diesel(table_name = versions)]
pub(crate) struct VersionRow {
    pub(crate) id: Uuid,
    pub(crate) number: i64,
    pub(crate) content_id: Uuid,
    pub(crate) version_number: i32,
    pub(crate) title: String,
    pub(crate) body: String,
    pub(crate) word_count: i32,
    pub(crate) metadata: Value,
    pub(crate) content_snapshot: Value,
    pub(crate) ai_job_id: Option<Uuid>,
    pub(crate) created_by: Uuid,
    pub(crate) created_at: DateTime<Utc>,
}

#[derive(Insertable)]
#[diesel(table_name = versions)]
struct NewVersion<'a> {
    id: Uuid,
    organization_id: Uuid,
    content_id: Uuid,
    version_number: i32,
    title: &'a str,
    body: &'a str,
    word_count: i32,
    metadata: &'a Value,
    content_snapshot: Value,
    ai_job_id: Option<Uuid>,
    created_by: Uuid,
    created_at: DateTime<Utc>,
}

/// The next version of a content whose row is locked.
pub(crate) async fn insert_version(
    conn: &mut AsyncPgConnection,
    content: &ContentRow,
    created_by: Uuid,
    ai_job_id: Option<Uuid>,
    now: DateTime<Utc>,
) -> QueryResult<VersionRow> {
    let last: Option<i32> = versions::table
        .filter(versions::content_id.eq(content.id))
        .select(diesel::dsl::max(versions::version_number))
        .first(conn)
        .await?;
    let snapshot = json!({
        "title": content.title,
        "body": content.body,
        "status": content.status,
        "prompt_variables": content.prompt_variables,
        "word_count": content.word_count,
        "metadata": content.metadata,
    });
    diesel::insert_into(versions::table)
        .values(NewVersion {
            id: Uuid::now_v7(),
            organization_id: content.organization_id,
            content_id: content.id,
            version_number: last.unwrap_or(0) + 1,
            title: &content.title,
            body: &content.body,
            word_count: content.word_count,
            metadata: &content.metadata,
            content_snapshot: snapshot,
            ai_job_id,
            created_by,
            created_at: now,
        })
        .returning(VersionRow::as_returning())
        .get_result(conn)
        .await
}

/// What a list asks for.
#[derive(Clone, Debug, Default)]
pub(crate) struct VersionFilter {
    pub(crate) content_id: Option<Uuid>,
    pub(crate) ai_job_id: Option<Uuid>,
    pub(crate) limit: i64,
    pub(crate) offset: i64,
}

fn filtered<'a>(
    organization_id: Uuid,
    filter: &VersionFilter,
) -> versions::BoxedQuery<'a, diesel::pg::Pg> {
    let mut query = versions::table
        .filter(versions::organization_id.eq(organization_id))
        .into_boxed();
    if let Some(id) = filter.content_id {
        query = query.filter(versions::content_id.eq(id));
    }
    if let Some(id) = filter.ai_job_id {
        query = query.filter(versions::ai_job_id.eq(id));
    }
    query
}

pub(crate) async fn list_versions(
    conn: &mut AsyncPgConnection,
    organization_id: Uuid,
    filter: &VersionFilter,
) -> QueryResult<(i64, Vec<VersionRow>)> {
    let total = filtered(organization_id, filter)
        .count()
        .get_result(conn)
        .await?;
    let rows = filtered(organization_id, filter)
        .order((versions::created_at.desc(), versions::number.desc()))
        .limit(filter.limit)
        .offset(filter.offset)
        .select(VersionRow::as_select())
        .load(conn)
        .await?;
    Ok((total, rows))
}

pub(crate) async fn find_version(
    conn: &mut AsyncPgConnection,
    organization_id: Uuid,
    number: i64,
) -> QueryResult<Option<VersionRow>> {
    versions::table
        .filter(
            versions::organization_id
                .eq(organization_id)
                .and(versions::number.eq(number)),
        )
        .select(VersionRow::as_select())
        .first(conn)
        .await
        .optional()
}

/// A version at `/api/versions/`.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct VersionResponse {
    /// Number.
    pub(crate) id: i64,
    /// Number of the content.
    pub(crate) content: i64,
    pub(crate) content_title: String,
    pub(crate) version_number: i32,
    pub(crate) content_snapshot: Value,
    /// Number of the user.
    pub(crate) created_by: i64,
    pub(crate) created_by_name: String,
    pub(crate) created_at: DateTime<Utc>,
}

/// A version at `/api/content-versions/` and `/api/contents/{id}/versions/`.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct ContentVersionResponse {
    /// Number.
    pub(crate) id: i64,
    /// Number of the content.
    pub(crate) content: i64,
    pub(crate) content_title: String,
    pub(crate) version_number: i32,
    pub(crate) title: String,
    pub(crate) body_markdown: String,
    pub(crate) metadata: Value,
    pub(crate) word_count: i32,
    /// Number of the job that wrote it.
    pub(crate) ai_job: Option<i64>,
    /// Number of the user.
    pub(crate) created_by: i64,
    pub(crate) created_by_name: String,
    pub(crate) created_at: DateTime<Utc>,
}

/// The rows as `/api/versions/` shows them.
pub(crate) async fn show(
    conn: &mut AsyncPgConnection,
    rows: Vec<VersionRow>,
) -> QueryResult<Vec<VersionResponse>> {
    let titles = content::list_titles(conn, rows.iter().map(|row| row.content_id)).await?;
    let people = directory::list_people(conn, rows.iter().map(|row| row.created_by)).await?;
    Ok(rows
        .into_iter()
        .map(|row| {
            let (content, content_title) = titles.get(&row.content_id).cloned().unwrap_or_default();
            let author = people.get(&row.created_by);
            VersionResponse {
                id: row.number,
                content,
                content_title,
                version_number: row.version_number,
                content_snapshot: row.content_snapshot,
                created_by: author.map_or(0, |p| p.number),
                created_by_name: author.map(|p| p.full_name.clone()).unwrap_or_default(),
                created_at: row.created_at,
            }
        })
        .collect())
}

/// The rows as `/api/content-versions/` shows them.
pub(crate) async fn show_content_versions(
    conn: &mut AsyncPgConnection,
    rows: Vec<VersionRow>,
) -> QueryResult<Vec<ContentVersionResponse>> {
    let titles = content::list_titles(conn, rows.iter().map(|row| row.content_id)).await?;
    let people = directory::list_people(conn, rows.iter().map(|row| row.created_by)).await?;
    let jobs = job::list_numbers(conn, rows.iter().filter_map(|row| row.ai_job_id)).await?;
    Ok(rows
        .into_iter()
        .map(|row| {
            let (content, content_title) = titles.get(&row.content_id).cloned().unwrap_or_default();
            let author = people.get(&row.created_by);
            ContentVersionResponse {
                id: row.number,
                content,
                content_title,
                version_number: row.version_number,
                title: row.title,
                body_markdown: row.body,
                metadata: row.metadata,
                word_count: row.word_count,
                ai_job: row.ai_job_id.and_then(|id| jobs.get(&id).copied()),
                created_by: author.map_or(0, |p| p.number),
                created_by_name: author.map(|p| p.full_name.clone()).unwrap_or_default(),
                created_at: row.created_at,
            }
        })
        .collect())
}
