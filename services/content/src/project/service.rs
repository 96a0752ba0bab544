//! Creating, changing and deleting projects.

use diesel_async::AsyncPgConnection;
use uuid::Uuid;

use super::{
    CreateProjectRequest, ProjectResponse, UpdateProjectRequest,
    error::ProjectError,
    store::{self, NewProject, ProjectChange},
};
use crate::{AppState, actor::Actor, directory::store as directory, trail};

/// A new project of the actor's organisation.
pub(crate) async fn create_project(
    state: &AppState,
    actor: &Actor,
    request: &CreateProjectRequest,
) -> Result<ProjectResponse, ProjectError> {
    let now = state.now();
    state
        .stack
        .db
        .transaction(async |conn| {
            directory::insert_actor(conn, actor, now).await?;
            let new = NewProject {
                id: Uuid::now_v7(),
                organization_id: actor.organization_id,
                workspace_id: workspace_id(conn, actor, request.workspace).await?,
                name: request.name.trim(),
                slug: &request.slug,
                description: request.description.as_deref().unwrap_or_default(),
                is_active: request.is_active.unwrap_or(true),
                created_by: actor.user_id,
                created_at: now,
                updated_at: now,
            };
            let row = store::insert_project(conn, &new).await?;
            trail::record_action(conn, actor, "project.created", "project", row.id, now).await?;
            only(conn, row).await
        })
        .await
}

/// Changes what the request names.
pub(crate) async fn update_project(
    state: &AppState,
    actor: &Actor,
    number: i64,
    request: &UpdateProjectRequest,
) -> Result<ProjectResponse, ProjectError> {
    let now = state.now();
    state
        .stack
        .db
        .transaction(async |conn| {
            let workspace_id = match request.workspace {
                Some(number) => Some(workspace_id(conn, actor, number).await?),
                None => None,
            };
            let change = ProjectChange {
                workspace_id,
                name: request.name.as_deref().map(str::trim),
                slug: request.slug.as_deref(),
                description: request.description.as_deref(),
                is_active: request.is_active,
                updated_at: now,
            };
            let row = store::update_project(conn, actor.organization_id, number, &change)
                .await?
                .ok_or(ProjectError::NotFound)?;
            trail::record_action(conn, actor, "project.updated", "project", row.id, now).await?;
            only(conn, row).await
        })
        .await
}

/// Deletes a project without contents.
pub(crate) async fn delete_project(
    state: &AppState,
    actor: &Actor,
    number: i64,
) -> Result<(), ProjectError> {
    let now = state.now();
    state
        .stack
        .db
        .transaction(async |conn| {
            let id = store::delete_project(conn, actor.organization_id, number)
                .await?
                .ok_or(ProjectError::NotFound)?;
            trail::record_action(conn, actor, "project.deleted", "project", id, now).await?;
            Ok(())
        })
        .await
}

async fn workspace_id(
    conn: &mut AsyncPgConnection,
    actor: &Actor,
    number: i64,
) -> Result<Uuid, ProjectError> {
    let found = directory::find_workspace(conn, actor.organization_id, number).await?;
    found
        .map(|workspace| workspace.id)
        .ok_or(ProjectError::UnknownWorkspace(number))
}

async fn only(
    conn: &mut AsyncPgConnection,
    row: store::ProjectRow,
) -> Result<ProjectResponse, ProjectError> {
    store::show(conn, vec![row])
        .await?
        .pop()
        .ok_or(ProjectError::NotFound)
}
