//! Creating, changing and deleting projects.

use chrono::{DateTime, Utc};
use common_types::events::content::WorkspaceProjectsCounted;
use diesel_async::AsyncPgConnection;
use service_events::outbox;
use service_http::ServiceDefinition as _;
use uuid::Uuid;

use super::{
    CreateProjectRequest, ProjectResponse, UpdateProjectRequest,
    error::ProjectError,
    store::{self, NewProject, ProjectChange},
};
use crate::{AppState, ContentService, actor::Actor, directory::store as directory, trail};

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
            tell_counts(conn, actor, [row.workspace_id], now).await?;
            only(conn, row).await
        })
        .await
        .inspect(|_| state.stack.outbox.wake())
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
            let before = store::lock_project(conn, actor.organization_id, number)
                .await?
                .ok_or(ProjectError::NotFound)?;
            let row = store::update_project(conn, actor.organization_id, number, &change)
                .await?
                .ok_or(ProjectError::NotFound)?;
            trail::record_action(conn, actor, "project.updated", "project", row.id, now).await?;
            if row.workspace_id != before.workspace_id {
                let moved = [before.workspace_id, row.workspace_id];
                tell_counts(conn, actor, moved, now).await?;
            }
            only(conn, row).await
        })
        .await
        .inspect(|_| state.stack.outbox.wake())
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
            let row = store::delete_project(conn, actor.organization_id, number)
                .await?
                .ok_or(ProjectError::NotFound)?;
            trail::record_action(conn, actor, "project.deleted", "project", row.id, now).await?;
            tell_counts(conn, actor, [row.workspace_id], now).await
        })
        .await
        .inspect(|()| state.stack.outbox.wake())
}

/// Tells how many projects these workspaces have now; in the order of their ids, so that two moves never wait for each
/// other.
async fn tell_counts<const N: usize>(
    conn: &mut AsyncPgConnection,
    actor: &Actor,
    mut workspaces: [Uuid; N],
    now: DateTime<Utc>,
) -> Result<(), ProjectError> {
    workspaces.sort_unstable();
    for workspace_id in workspaces {
        let (aggregate_version, project_count) = store::count_projects(conn, workspace_id).await?;
        let event = WorkspaceProjectsCounted {
            workspace_id,
            aggregate_version,
            organization_id: actor.organization_id,
            project_count,
            counted_at: now,
        };
        outbox::emit(conn, ContentService::NAME, &event, now).await?;
    }
    Ok(())
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
