//! The rows of contents. Every query names the organisation.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use common_types::ordering::Term;
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde_json::Value;
use uuid::Uuid;

use super::{ContentListItem, ContentResponse, model::Status};
use crate::{
    directory::store as directory, project::store as project, prompt::store as prompt,
    schema::contents, wire::like,
};

#[derive(Clone, Debug, Queryable, Selectable)]
#[diesel(table_name = contents)]
pub(crate) struct ContentRow {
    pub(crate) id: Uuid,
    pub(crate) number: i64,
    pub(crate) organization_id: Uuid,
    pub(crate) workspace_id: Uuid,
    pub(crate) project_id: Uuid,
    pub(crate) prompt_id: Option<Uuid>,
    pub(crate) title: String,
    pub(crate) body: String,
    pub(crate) status: String,
    pub(crate) prompt_variables: Value,
    pub(crate) word_count: i32,
    pub(crate) has_pii: bool,
    pub(crate) pii_warnings: Value,
    pub(crate) metadata: Value,
    pub(crate) rejection_reason: Option<String>,
    pub(crate) created_by: Uuid,
    pub(crate) approved_by: Option<Uuid>,
    pub(crate) approved_at: Option<DateTime<Utc>>,
    pub(crate) row_version: i64,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) updated_at: DateTime<Utc>,
}

impl ContentRow {
    /// The status; the database holds no other text.
    pub(crate) fn status(&self) -> Status {
        self.status.parse().unwrap_or(Status::Draft)
    }
}

#[derive(Insertable)]
#[diesel(table_name = contents)]
pub(crate) struct NewContent<'a> {
    pub(crate) id: Uuid,
    pub(crate) organization_id: Uuid,
    pub(crate) workspace_id: Uuid,
    pub(crate) project_id: Uuid,
    pub(crate) prompt_id: Option<Uuid>,
    pub(crate) title: &'a str,
    pub(crate) body: &'a str,
    pub(crate) status: &'static str,
    pub(crate) prompt_variables: Value,
    pub(crate) word_count: i32,
    pub(crate) has_pii: bool,
    pub(crate) pii_warnings: Value,
    pub(crate) created_by: Uuid,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) updated_at: DateTime<Utc>,
}

/// The columns that an action changes; the row's version grows with each.
#[derive(AsChangeset, Default)]
#[diesel(table_name = contents)]
pub(crate) struct ContentChange {
    pub(crate) workspace_id: Option<Uuid>,
    pub(crate) project_id: Option<Uuid>,
    pub(crate) prompt_id: Option<Option<Uuid>>,
    pub(crate) title: Option<String>,
    pub(crate) body: Option<String>,
    pub(crate) status: Option<&'static str>,
    pub(crate) prompt_variables: Option<Value>,
    pub(crate) word_count: Option<i32>,
    pub(crate) has_pii: Option<bool>,
    pub(crate) pii_warnings: Option<Value>,
    pub(crate) metadata: Option<Value>,
    pub(crate) rejection_reason: Option<Option<String>>,
    pub(crate) approved_by: Option<Option<Uuid>>,
    pub(crate) approved_at: Option<Option<DateTime<Utc>>>,
}

/// What a list asks for.
#[derive(Clone, Debug, Default)]
pub(crate) struct ContentFilter<'a> {
    pub(crate) project_id: Option<Uuid>,
    pub(crate) status: Option<&'a str>,
    pub(crate) has_pii: Option<bool>,
    pub(crate) search: Option<&'a str>,
    pub(crate) order: Vec<Term>,
    pub(crate) limit: i64,
    pub(crate) offset: i64,
}

fn filtered<'a>(
    organization_id: Uuid,
    filter: &ContentFilter<'_>,
) -> contents::BoxedQuery<'a, diesel::pg::Pg> {
    let mut query = contents::table
        .filter(contents::organization_id.eq(organization_id))
        .into_boxed();
    if let Some(id) = filter.project_id {
        query = query.filter(contents::project_id.eq(id));
    }
    if let Some(status) = filter.status {
        query = query.filter(contents::status.eq(status.to_owned()));
    }
    if let Some(has_pii) = filter.has_pii {
        query = query.filter(contents::has_pii.eq(has_pii));
    }
    if let Some(text) = filter.search.map(like) {
        query = query.filter(
            contents::title
                .ilike(text.clone())
                .or(contents::body.ilike(text)),
        );
    }
    query
}

pub(crate) async fn list_contents(
    conn: &mut AsyncPgConnection,
    organization_id: Uuid,
    filter: &ContentFilter<'_>,
) -> QueryResult<(i64, Vec<ContentListItem>)> {
    let total = filtered(organization_id, filter)
        .count()
        .get_result(conn)
        .await?;
    let mut query = filtered(organization_id, filter);
    for term in &filter.order {
        query = match (term.field, term.descending) {
            ("title", false) => query.then_order_by(contents::title.asc()),
            ("title", true) => query.then_order_by(contents::title.desc()),
            ("updated_at", false) => query.then_order_by(contents::updated_at.asc()),
            ("updated_at", true) => query.then_order_by(contents::updated_at.desc()),
            (_, false) => query.then_order_by(contents::created_at.asc()),
            (_, true) => query.then_order_by(contents::created_at.desc()),
        };
    }
    let rows: Vec<ContentRow> = query
        .then_order_by((contents::created_at.desc(), contents::number.desc()))
        .limit(filter.limit)
        .offset(filter.offset)
        .select(ContentRow::as_select())
        .load(conn)
        .await?;
    let projects = project::list_names(conn, rows.iter().map(|row| row.project_id)).await?;
    let items = rows
        .into_iter()
        .map(|row| {
            let (number, name) = projects.get(&row.project_id).cloned().unwrap_or_default();
            ContentListItem {
                id: row.number,
                title: row.title,
                status: row.status,
                project: number,
                project_name: name,
                word_count: row.word_count,
                has_pii: row.has_pii,
                created_at: row.created_at,
                updated_at: row.updated_at,
            }
        })
        .collect();
    Ok((total, items))
}

pub(crate) async fn find_content(
    conn: &mut AsyncPgConnection,
    organization_id: Uuid,
    number: i64,
) -> QueryResult<Option<ContentRow>> {
    contents::table
        .filter(
            contents::organization_id
                .eq(organization_id)
                .and(contents::number.eq(number)),
        )
        .select(ContentRow::as_select())
        .first(conn)
        .await
        .optional()
}

/// The content, locked until the end of the transaction.
pub(crate) async fn lock_content(
    conn: &mut AsyncPgConnection,
    organization_id: Uuid,
    number: i64,
) -> QueryResult<Option<ContentRow>> {
    contents::table
        .filter(
            contents::organization_id
                .eq(organization_id)
                .and(contents::number.eq(number)),
        )
        .select(ContentRow::as_select())
        .for_update()
        .first(conn)
        .await
        .optional()
}

/// [`lock_content`] for a job, which knows the id.
pub(crate) async fn lock_content_of_job(
    conn: &mut AsyncPgConnection,
    organization_id: Uuid,
    id: Uuid,
) -> QueryResult<Option<ContentRow>> {
    contents::table
        .filter(
            contents::organization_id
                .eq(organization_id)
                .and(contents::id.eq(id)),
        )
        .select(ContentRow::as_select())
        .for_update()
        .first(conn)
        .await
        .optional()
}

pub(crate) async fn insert_content(
    conn: &mut AsyncPgConnection,
    content: NewContent<'_>,
) -> QueryResult<ContentRow> {
    diesel::insert_into(contents::table)
        .values(content)
        .returning(ContentRow::as_returning())
        .get_result(conn)
        .await
}

/// Changes a locked content.
pub(crate) async fn update_content(
    conn: &mut AsyncPgConnection,
    id: Uuid,
    change: ContentChange,
    now: DateTime<Utc>,
) -> QueryResult<ContentRow> {
    diesel::update(contents::table.find(id))
        .set((
            change,
            contents::row_version.eq(contents::row_version + 1),
            contents::updated_at.eq(now),
        ))
        .returning(ContentRow::as_returning())
        .get_result(conn)
        .await
}

pub(crate) async fn delete_content(conn: &mut AsyncPgConnection, id: Uuid) -> QueryResult<()> {
    diesel::delete(contents::table.find(id))
        .execute(conn)
        .await?;
    Ok(())
}

/// Number and title by id.
pub(crate) async fn list_titles(
    conn: &mut AsyncPgConnection,
    ids: impl IntoIterator<Item = Uuid>,
) -> QueryResult<HashMap<Uuid, (i64, String)>> {
    let ids: Vec<Uuid> = ids.into_iter().collect();
    let rows: Vec<(Uuid, i64, String)> = contents::table
        .filter(contents::id.eq_any(ids))
        .select((contents::id, contents::number, contents::title))
        .load(conn)
        .await?;
    Ok(rows
        .into_iter()
        .map(|(id, number, title)| (id, (number, title)))
        .collect())
}

/// The row as it is shown.
pub(crate) async fn show(
    conn: &mut AsyncPgConnection,
    row: ContentRow,
) -> QueryResult<ContentResponse> {
    let projects = project::list_names(conn, [row.project_id]).await?;
    let prompts = prompt::list_titles(conn, row.prompt_id).await?;
    let people =
        directory::list_people(conn, [row.created_by].into_iter().chain(row.approved_by)).await?;
    let (project, project_name) = projects.get(&row.project_id).cloned().unwrap_or_default();
    let prompt = row.prompt_id.and_then(|id| prompts.get(&id).cloned());
    let author = people.get(&row.created_by);
    let approver = row.approved_by.and_then(|id| people.get(&id));
    Ok(ContentResponse {
        id: row.number,
        title: row.title,
        body: row.body,
        status: row.status,
        project,
        project_name,
        prompt: prompt.as_ref().map(|(number, _)| *number),
        prompt_title: prompt.map(|(_, title)| title),
        prompt_variables: row.prompt_variables,
        word_count: row.word_count,
        has_pii: row.has_pii,
        pii_warnings: row.pii_warnings,
        metadata: row.metadata,
        created_by: author.map_or(0, |p| p.number),
        created_by_name: author.map(|p| p.full_name.clone()).unwrap_or_default(),
        approved_by: approver.map(|p| p.number),
        approved_by_name: approver.map(|p| p.full_name.clone()),
        created_at: row.created_at,
        updated_at: row.updated_at,
        approved_at: row.approved_at,
        rejection_reason: row.rejection_reason,
    })
}
