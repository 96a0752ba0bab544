//! Rows of workspaces.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use crate::organization::store::contains;
use crate::schema::{memberships, organizations, workspaces};

/// A workspace with its organisation's name.
#[derive(Queryable, Debug, Clone)]
pub struct WorkspaceRow {
    /// The id.
    pub id: Uuid,
    /// The number.
    pub number: i64,
    /// The organisation.
    pub organization_id: Uuid,
    /// Its number.
    pub organization_number: i64,
    /// Its name.
    pub organization_name: String,
    /// The name.
    pub name: String,
    /// The slug.
    pub slug: String,
    /// The description.
    pub description: String,
    /// False when closed.
    pub is_active: bool,
    /// Version of what others copy.
    pub version: i64,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it was changed.
    pub updated_at: DateTime<Utc>,
    /// Projects in it, as content counted last.
    pub project_count: i64,
}

#[derive(Insertable)]
#[diesel(table_name = workspaces)]
pub(crate) struct NewWorkspace {
    pub(crate) id: Uuid,
    pub(crate) organization_id: Uuid,
    pub(crate) name: String,
    pub(crate) slug: String,
    pub(crate) description: String,
    pub(crate) is_active: bool,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) updated_at: DateTime<Utc>,
}

#[derive(AsChangeset)]
#[diesel(table_name = workspaces)]
pub(crate) struct WorkspaceChanges {
    pub(crate) name: Option<String>,
    pub(crate) slug: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) is_active: Option<bool>,
}

/// What a list shows.
#[derive(Debug, Default)]
pub(crate) struct WorkspaceQuery<'a> {
    /// Only organisations of this member; `None` for superusers.
    pub(crate) seen_by: Option<Uuid>,
    pub(crate) organization: Option<Uuid>,
    pub(crate) is_active: Option<bool>,
    pub(crate) search: Option<&'a str>,
    pub(crate) ordering: &'a str,
    pub(crate) offset: i64,
    pub(crate) limit: i64,
}

macro_rules! workspace_columns {
    () => {
        (
            workspaces::id,
            workspaces::number,
            workspaces::organization_id,
            organizations::number,
            organizations::name,
            workspaces::name,
            workspaces::slug,
            workspaces::description,
            workspaces::is_active,
            workspaces::version,
            workspaces::created_at,
            workspaces::updated_at,
            workspaces::project_count,
        )
    };
}

macro_rules! joined {
    () => {
        workspaces::table
            .inner_join(organizations::table.on(organizations::id.eq(workspaces::organization_id)))
    };
}

pub(crate) async fn insert_workspace(
    conn: &mut AsyncPgConnection,
    row: &NewWorkspace,
) -> QueryResult<()> {
    diesel::insert_into(workspaces::table)
        .values(row)
        .execute(conn)
        .await
        .map(|_| ())
}

pub(crate) async fn get_workspace(
    conn: &mut AsyncPgConnection,
    id: Uuid,
) -> QueryResult<WorkspaceRow> {
    joined!()
        .filter(workspaces::id.eq(id))
        .select(workspace_columns!())
        .first(conn)
        .await
}

pub(crate) async fn find_workspace(
    conn: &mut AsyncPgConnection,
    number: i64,
) -> QueryResult<Option<WorkspaceRow>> {
    joined!()
        .filter(workspaces::number.eq(number))
        .select(workspace_columns!())
        .first(conn)
        .await
        .optional()
}

pub(crate) async fn find_workspace_by_slug(
    conn: &mut AsyncPgConnection,
    organization: Uuid,
    slug: &str,
) -> QueryResult<Option<WorkspaceRow>> {
    joined!()
        .filter(workspaces::organization_id.eq(organization))
        .filter(workspaces::slug.eq(slug))
        .select(workspace_columns!())
        .first(conn)
        .await
        .optional()
}

pub(crate) async fn update_workspace(
    conn: &mut AsyncPgConnection,
    id: Uuid,
    changes: &WorkspaceChanges,
    now: DateTime<Utc>,
) -> QueryResult<()> {
    diesel::update(workspaces::table.find(id))
        .set((
            changes,
            workspaces::version.eq(workspaces::version + 1),
            workspaces::updated_at.eq(now),
        ))
        .execute(conn)
        .await
        .map(|_| ())
}

/// Keeps a count unless a newer one is there. A workspace that is gone needs none.
pub(crate) async fn set_project_count(
    conn: &mut AsyncPgConnection,
    id: Uuid,
    count: i64,
    version: i64,
) -> QueryResult<()> {
    let older = workspaces::table
        .find(id)
        .filter(workspaces::project_count_version.lt(version));
    diesel::update(older)
        .set((
            workspaces::project_count.eq(count),
            workspaces::project_count_version.eq(version),
        ))
        .execute(conn)
        .await
        .map(|_| ())
}

pub(crate) async fn delete_workspace(conn: &mut AsyncPgConnection, id: Uuid) -> QueryResult<()> {
    diesel::delete(workspaces::table.find(id))
        .execute(conn)
        .await
        .map(|_| ())
}

/// One page and the size of the whole list.
pub(crate) async fn list_workspaces(
    conn: &mut AsyncPgConnection,
    query: &WorkspaceQuery<'_>,
) -> QueryResult<(i64, Vec<WorkspaceRow>)> {
    macro_rules! filtered {
        () => {{
            let mut list = joined!().into_boxed();
            if let Some(user) = query.seen_by {
                let own = memberships::table
                    .filter(memberships::user_id.eq(user))
                    .filter(memberships::is_active)
                    .select(memberships::organization_id);
                list = list.filter(workspaces::organization_id.eq_any(own));
            }
            if let Some(organization) = query.organization {
                list = list.filter(workspaces::organization_id.eq(organization));
            }
            if let Some(is_active) = query.is_active {
                list = list.filter(workspaces::is_active.eq(is_active));
            }
            if let Some(text) = query.search {
                let pattern = contains(text);
                list = list.filter(
                    workspaces::name
                        .ilike(pattern.clone())
                        .or(workspaces::slug.ilike(pattern.clone()))
                        .or(workspaces::description.ilike(pattern)),
                );
            }
            list
        }};
    }
    let count = filtered!().count().get_result(conn).await?;
    let list = filtered!()
        .select(workspace_columns!())
        .limit(query.limit)
        .offset(query.offset);
    let list = match query.ordering {
        "name" => list.order((workspaces::name.asc(), workspaces::number.asc())),
        "-name" => list.order((workspaces::name.desc(), workspaces::number.desc())),
        "created_at" => list.order((workspaces::created_at.asc(), workspaces::number.asc())),
        _ => list.order((workspaces::created_at.desc(), workspaces::number.desc())),
    };
    Ok((count, list.load(conn).await?))
}
