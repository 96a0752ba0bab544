//! The rows of prompts. Every query names the organisation.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use common_types::ordering::Term;
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde_json::Value;
use uuid::Uuid;

use super::PromptResponse;
use crate::{directory::store as directory, schema::prompts, wire::like};

#[derive(Clone, Debug, Queryable, Selectable)]
#[diesel(table_name = prompts)]
pub(crate) struct PromptRow {
    pub(crate) id: Uuid,
    pub(crate) number: i64,
    pub(crate) workspace_id: Option<Uuid>,
    pub(crate) title: String,
    pub(crate) category: String,
    pub(crate) prompt_template: String,
    pub(crate) variables: Value,
    pub(crate) is_public: bool,
    pub(crate) usage_count: i64,
    pub(crate) created_by: Uuid,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) updated_at: DateTime<Utc>,
}

#[derive(Insertable)]
#[diesel(table_name = prompts)]
pub(crate) struct NewPrompt<'a> {
    pub(crate) id: Uuid,
    pub(crate) organization_id: Uuid,
    pub(crate) workspace_id: Option<Uuid>,
    pub(crate) title: &'a str,
    pub(crate) category: &'a str,
    pub(crate) prompt_template: &'a str,
    pub(crate) variables: Value,
    pub(crate) is_public: bool,
    pub(crate) created_by: Uuid,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) updated_at: DateTime<Utc>,
}

#[derive(AsChangeset)]
#[diesel(table_name = prompts)]
pub(crate) struct PromptChange<'a> {
    pub(crate) workspace_id: Option<Option<Uuid>>,
    pub(crate) title: Option<&'a str>,
    pub(crate) category: Option<&'a str>,
    pub(crate) prompt_template: Option<&'a str>,
    pub(crate) variables: Option<&'a Value>,
    pub(crate) is_public: Option<bool>,
    pub(crate) updated_at: DateTime<Utc>,
}

/// What a list asks for.
#[derive(Clone, Debug, Default)]
pub(crate) struct PromptFilter<'a> {
    pub(crate) workspace_id: Option<Uuid>,
    pub(crate) category: Option<&'a str>,
    pub(crate) is_public: Option<bool>,
    pub(crate) search: Option<&'a str>,
    pub(crate) order: Vec<Term>,
    pub(crate) limit: i64,
    pub(crate) offset: i64,
}

fn filtered<'a>(
    organization_id: Uuid,
    filter: &PromptFilter<'_>,
) -> prompts::BoxedQuery<'a, diesel::pg::Pg> {
    let mut query = prompts::table
        .filter(prompts::organization_id.eq(organization_id))
        .into_boxed();
    if let Some(id) = filter.workspace_id {
        query = query.filter(prompts::workspace_id.eq(id));
    }
    if let Some(category) = filter.category {
        query = query.filter(prompts::category.eq(category.to_owned()));
    }
    if let Some(is_public) = filter.is_public {
        query = query.filter(prompts::is_public.eq(is_public));
    }
    if let Some(text) = filter.search.map(like) {
        query = query.filter(
            prompts::title
                .ilike(text.clone())
                .or(prompts::prompt_template.ilike(text)),
        );
    }
    query
}

pub(crate) async fn list_prompts(
    conn: &mut AsyncPgConnection,
    organization_id: Uuid,
    filter: &PromptFilter<'_>,
) -> QueryResult<(i64, Vec<PromptRow>)> {
    let total = filtered(organization_id, filter)
        .count()
        .get_result(conn)
        .await?;
    let mut query = filtered(organization_id, filter);
    for term in &filter.order {
        query = match (term.field, term.descending) {
            ("title", false) => query.then_order_by(prompts::title.asc()),
            ("title", true) => query.then_order_by(prompts::title.desc()),
            ("usage_count", false) => query.then_order_by(prompts::usage_count.asc()),
            ("usage_count", true) => query.then_order_by(prompts::usage_count.desc()),
            (_, false) => query.then_order_by(prompts::created_at.asc()),
            (_, true) => query.then_order_by(prompts::created_at.desc()),
        };
    }
    let rows = query
        .then_order_by((
            prompts::usage_count.desc(),
            prompts::created_at.desc(),
            prompts::number.desc(),
        ))
        .limit(filter.limit)
        .offset(filter.offset)
        .select(PromptRow::as_select())
        .load(conn)
        .await?;
    Ok((total, rows))
}

pub(crate) async fn find_prompt(
    conn: &mut AsyncPgConnection,
    organization_id: Uuid,
    number: i64,
) -> QueryResult<Option<PromptRow>> {
    prompts::table
        .filter(
            prompts::organization_id
                .eq(organization_id)
                .and(prompts::number.eq(number)),
        )
        .select(PromptRow::as_select())
        .first(conn)
        .await
        .optional()
}

/// A prompt that a content names; the content is of the same organisation.
pub(crate) async fn get_prompt(
    conn: &mut AsyncPgConnection,
    organization_id: Uuid,
    id: Uuid,
) -> QueryResult<PromptRow> {
    prompts::table
        .filter(
            prompts::organization_id
                .eq(organization_id)
                .and(prompts::id.eq(id)),
        )
        .select(PromptRow::as_select())
        .first(conn)
        .await
}

pub(crate) async fn find_by_title(
    conn: &mut AsyncPgConnection,
    organization_id: Uuid,
    title: &str,
) -> QueryResult<Option<PromptRow>> {
    prompts::table
        .filter(
            prompts::organization_id
                .eq(organization_id)
                .and(prompts::title.eq(title)),
        )
        .select(PromptRow::as_select())
        .first(conn)
        .await
        .optional()
}

pub(crate) async fn insert_prompt(
    conn: &mut AsyncPgConnection,
    prompt: NewPrompt<'_>,
) -> QueryResult<PromptRow> {
    diesel::insert_into(prompts::table)
        .values(prompt)
        .returning(PromptRow::as_returning())
        .get_result(conn)
        .await
}

pub(crate) async fn update_prompt(
    conn: &mut AsyncPgConnection,
    organization_id: Uuid,
    number: i64,
    change: &PromptChange<'_>,
) -> QueryResult<Option<PromptRow>> {
    let wanted = prompts::organization_id
        .eq(organization_id)
        .and(prompts::number.eq(number));
    diesel::update(prompts::table.filter(wanted))
        .set(change)
        .returning(PromptRow::as_returning())
        .get_result(conn)
        .await
        .optional()
}

pub(crate) async fn count_use(conn: &mut AsyncPgConnection, id: Uuid) -> QueryResult<()> {
    diesel::update(prompts::table.find(id))
        .set(prompts::usage_count.eq(prompts::usage_count + 1))
        .execute(conn)
        .await?;
    Ok(())
}

pub(crate) async fn delete_prompt(
    conn: &mut AsyncPgConnection,
    organization_id: Uuid,
    number: i64,
) -> QueryResult<Option<Uuid>> {
    let wanted = prompts::organization_id
        .eq(organization_id)
        .and(prompts::number.eq(number));
    diesel::delete(prompts::table.filter(wanted))
        .returning(prompts::id)
        .get_result(conn)
        .await
        .optional()
}

/// Number and title by id.
pub(crate) async fn list_titles(
    conn: &mut AsyncPgConnection,
    ids: impl IntoIterator<Item = Uuid>,
) -> QueryResult<HashMap<Uuid, (i64, String)>> {
    let ids: Vec<Uuid> = ids.into_iter().collect();
    let rows: Vec<(Uuid, i64, String)> = prompts::table
        .filter(prompts::id.eq_any(ids))
        .select((prompts::id, prompts::number, prompts::title))
        .load(conn)
        .await?;
    Ok(rows
        .into_iter()
        .map(|(id, number, title)| (id, (number, title)))
        .collect())
}

/// The rows as they are shown.
pub(crate) async fn show(
    conn: &mut AsyncPgConnection,
    rows: Vec<PromptRow>,
) -> QueryResult<Vec<PromptResponse>> {
    let workspaces =
        directory::list_workspaces(conn, rows.iter().filter_map(|row| row.workspace_id)).await?;
    let people = directory::list_people(conn, rows.iter().map(|row| row.created_by)).await?;
    Ok(rows
        .into_iter()
        .map(|row| {
            let workspace = row.workspace_id.and_then(|id| workspaces.get(&id));
            let author = people.get(&row.created_by);
            PromptResponse {
                id: row.number,
                workspace: workspace.map(|w| w.number),
                workspace_name: workspace.map(|w| w.name.clone()),
                created_by: author.map_or(0, |p| p.number),
                created_by_name: author.map(|p| p.full_name.clone()).unwrap_or_default(),
                title: row.title,
                category: row.category,
                prompt_template: row.prompt_template,
                variables: row.variables,
                is_public: row.is_public,
                usage_count: row.usage_count,
                created_at: row.created_at,
                updated_at: row.updated_at,
            }
        })
        .collect())
}
