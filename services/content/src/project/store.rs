//! The rows of projects. Every query names the organisation.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use common_types::ordering::Term;
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use super::ProjectResponse;
use crate::{
    directory::store as directory,
    schema::{contents, projects, workspaces},
    wire::like,
};

#[derive(Clone, Debug, Queryable, Selectable, Insertable)]
#[diesel(table_name = projects)]
pub(crate) struct ProjectRow {
    pub(crate) id: Uuid,
    pub(crate) number: i64,
    pub(crate) organization_id: Uuid,
    pub(crate) workspace_id: Uuid,
    pub(crate) name: String,
    pub(crate) slug: String,
    pub(crate) description: String,
    pub(crate) is_active: bool,
    pub(crate) created_by: Uuid,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) updated_at: DateTime<Utc>,
}

#[derive(Insertable)]
#[diesel(table_name = projects)]
pub(crate) struct NewProject<'a> {
    pub(crate) id: Uuid,
    pub(crate) organization_id: Uuid,
    pub(crate) workspace_id: Uuid,
    pub(crate) name: &'a str,
    pub(crate) slug: &'a str,
    pub(crate) description: &'a str,
    pub(crate) is_active: bool,
    pub(crate) created_by: Uuid,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) updated_at: DateTime<Utc>,
}

#[derive(AsChangeset)]
#[diesel(table_name = projects)]
pub(crate) struct ProjectChange<'a> {
    pub(crate) workspace_id: Option<Uuid>,
    pub(crate) name: Option<&'a str>,
    pub(crate) slug: Option<&'a str>,
    pub(crate) description: Option<&'a str>,
    pub(crate) is_active: Option<bool>,
    pub(crate) updated_at: DateTime<Utc>,
}

/// What a list asks for.
#[derive(Clone, Debug, Default)]
pub(crate) struct ProjectFilter<'a> {
    pub(crate) workspace_id: Option<Uuid>,
    pub(crate) is_active: Option<bool>,
    pub(crate) search: Option<&'a str>,
    pub(crate) order: Vec<Term>,
    pub(crate) limit: i64,
    pub(crate) offset: i64,
}

fn filtered<'a>(
    organization_id: Uuid,
    filter: &ProjectFilter<'_>,
) -> projects::BoxedQuery<'a, diesel::pg::Pg> {
    let mut query = projects::table
        .filter(projects::organization_id.eq(organization_id))
        .into_boxed();
    if let Some(id) = filter.workspace_id {
        query = query.filter(projects::workspace_id.eq(id));
    }
    if let Some(is_active) = filter.is_active {
        query = query.filter(projects::is_active.eq(is_active));
    }
    if let Some(text) = filter.search.map(like) {
        let found = projects::name
            .ilike(text.clone())
            .or(projects::slug.ilike(text.clone()))
            .or(projects::description.ilike(text));
        query = query.filter(found);
    }
    query
}

pub(crate) async fn list_projects(
    conn: &mut AsyncPgConnection,
    organization_id: Uuid,
    filter: &ProjectFilter<'_>,
) -> QueryResult<(i64, Vec<ProjectRow>)> {
    let total = filtered(organization_id, filter)
        .count()
        .get_result(conn)
        .await?;
    let mut query = filtered(organization_id, filter);
    for term in &filter.order {
        query = match (term.field, term.descending) {
            ("name", false) => query.then_order_by(projects::name.asc()),
            ("name", true) => query.then_order_by(projects::name.desc()),
            (_, false) => query.then_order_by(projects::created_at.asc()),
            (_, true) => query.then_order_by(projects::created_at.desc()),
        };
    }
    let rows = query
        .then_order_by((projects::created_at.desc(), projects::number.desc()))
        .limit(filter.limit)
        .offset(filter.offset)
        .select(ProjectRow::as_select())
        .load(conn)
        .await?;
    Ok((total, rows))
}

pub(crate) async fn find_project(
    conn: &mut AsyncPgConnection,
    organization_id: Uuid,
    number: i64,
) -> QueryResult<Option<ProjectRow>> {
    projects::table
        .filter(
            projects::organization_id
                .eq(organization_id)
                .and(projects::number.eq(number)),
        )
        .select(ProjectRow::as_select())
        .first(conn)
        .await
        .optional()
}

/// The project, locked until the transaction ends.
pub(crate) async fn lock_project(
    conn: &mut AsyncPgConnection,
    organization_id: Uuid,
    number: i64,
) -> QueryResult<Option<ProjectRow>> {
    projects::table
        .filter(
            projects::organization_id
                .eq(organization_id)
                .and(projects::number.eq(number)),
        )
        .select(ProjectRow::as_select())
        .for_update()
        .first(conn)
        .await
        .optional()
}

/// Counts the projects of a workspace; answers version and count. The workspace's row is locked first, so that a later
/// version never holds an older count.
pub(crate) async fn count_projects(
    conn: &mut AsyncPgConnection,
    workspace_id: Uuid,
) -> QueryResult<(i64, i64)> {
    let version = diesel::update(workspaces::table.find(workspace_id))
        .set(workspaces::projects_version.eq(workspaces::projects_version + 1))
        .returning(workspaces::projects_version)
        .get_result(conn)
        .await?;
    let count = projects::table
        .filter(projects::workspace_id.eq(workspace_id))
        .count()
        .get_result(conn)
        .await?;
    Ok((version, count))
}

pub(crate) async fn find_by_slug(
    conn: &mut AsyncPgConnection,
    workspace_id: Uuid,
    slug: &str,
) -> QueryResult<Option<ProjectRow>> {
    projects::table
        .filter(
            projects::workspace_id
                .eq(workspace_id)
                .and(projects::slug.eq(slug)),
        )
        .select(ProjectRow::as_select())
        .first(conn)
        .await
        .optional()
}

pub(crate) async fn insert_project(
    conn: &mut AsyncPgConnection,
    project: &NewProject<'_>,
) -> QueryResult<ProjectRow> {
    diesel::insert_into(projects::table)
        .values(project)
        .returning(ProjectRow::as_returning())
        .get_result(conn)
        .await
}

pub(crate) async fn update_project(
    conn: &mut AsyncPgConnection,
    organization_id: Uuid,
    number: i64,
    change: &ProjectChange<'_>,
) -> QueryResult<Option<ProjectRow>> {
    let wanted = projects::organization_id
        .eq(organization_id)
        .and(projects::number.eq(number));
    diesel::update(projects::table.filter(wanted))
        .set(change)
        .returning(ProjectRow::as_returning())
        .get_result(conn)
        .await
        .optional()
}

pub(crate) async fn delete_project(
    conn: &mut AsyncPgConnection,
    organization_id: Uuid,
    number: i64,
) -> QueryResult<Option<ProjectRow>> {
    let wanted = projects::organization_id
        .eq(organization_id)
        .and(projects::number.eq(number));
    diesel::delete(projects::table.filter(wanted))
        .returning(ProjectRow::as_returning())
        .get_result(conn)
        .await
        .optional()
}

/// Number and name by id.
pub(crate) async fn list_names(
    conn: &mut AsyncPgConnection,
    ids: impl IntoIterator<Item = Uuid>,
) -> QueryResult<HashMap<Uuid, (i64, String)>> {
    let ids: Vec<Uuid> = ids.into_iter().collect();
    let rows: Vec<(Uuid, i64, String)> = projects::table
        .filter(projects::id.eq_any(ids))
        .select((projects::id, projects::number, projects::name))
        .load(conn)
        .await?;
    Ok(rows
        .into_iter()
        .map(|(id, number, name)| (id, (number, name)))
        .collect())
}

/// The rows as they are shown.
pub(crate) async fn show(
    conn: &mut AsyncPgConnection,
    rows: Vec<ProjectRow>,
) -> QueryResult<Vec<ProjectResponse>> {
    let workspaces =
        directory::list_workspaces(conn, rows.iter().map(|row| row.workspace_id)).await?;
    let people = directory::list_people(conn, rows.iter().map(|row| row.created_by)).await?;
    let ids: Vec<Uuid> = rows.iter().map(|row| row.id).collect();
    let counts: HashMap<Uuid, i64> = contents::table
        .filter(contents::project_id.eq_any(ids))
        .group_by(contents::project_id)
        .select((contents::project_id, diesel::dsl::count_star()))
        .load::<(Uuid, i64)>(conn)
        .await?
        .into_iter()
        .collect();
    Ok(rows
        .into_iter()
        .map(|row| {
            let workspace = workspaces.get(&row.workspace_id);
            let author = people.get(&row.created_by);
            ProjectResponse {
                id: row.number,
                workspace: workspace.map_or(0, |w| w.number),
                workspace_name: workspace.map(|w| w.name.clone()).unwrap_or_default(),
                created_by: author.map_or(0, |p| p.number),
                created_by_name: author.map(|p| p.full_name.clone()).unwrap_or_default(),
                content_count: counts.get(&row.id).copied().unwrap_or(0),
                name: row.name,
                slug: row.slug,
                description: row.description,
                is_active: row.is_active,
                created_at: row.created_at,
                updated_at: row.updated_at,
            }
        })
        .collect())
}
