//! Making, changing and deleting workspaces.

use chrono::{DateTime, Utc};
use common_types::events::auth::WorkspaceChanged;
use diesel::QueryResult;
use diesel_async::AsyncPgConnection;
use service_events::outbox;
use service_http::ApiError;
use uuid::Uuid;

use super::store::{self, NewWorkspace, WorkspaceChanges, WorkspaceRow};
use crate::SERVICE;

/// Makes a workspace and tells the others.
///
/// # Errors
/// 400 for a taken slug; database failures.
pub(crate) async fn create(
    conn: &mut AsyncPgConnection,
    new: &NewWorkspace,
    now: DateTime<Utc>,
) -> Result<WorkspaceRow, ApiError> {
    store::insert_workspace(conn, new).await.map_err(taken)?;
    let row = store::get_workspace(conn, new.id).await?;
    tell(conn, &row, false, now).await?;
    Ok(row)
}

/// Changes a workspace.
///
/// # Errors
/// 400 for a taken slug; database failures.
pub(crate) async fn change(
    conn: &mut AsyncPgConnection,
    id: Uuid,
    changes: &WorkspaceChanges,
    now: DateTime<Utc>,
) -> Result<WorkspaceRow, ApiError> {
    store::update_workspace(conn, id, changes, now)
        .await
        .map_err(taken)?;
    let row = store::get_workspace(conn, id).await?;
    tell(conn, &row, false, now).await?;
    Ok(row)
}

/// Deletes a workspace; `content` hides what hangs on it.
///
/// # Errors
/// Database failures.
pub(crate) async fn delete(
    conn: &mut AsyncPgConnection,
    row: &WorkspaceRow,
    now: DateTime<Utc>,
) -> QueryResult<()> {
    store::delete_workspace(conn, row.id).await?;
    let last = WorkspaceRow {
        version: row.version + 1,
        ..row.clone()
    };
    tell(conn, &last, true, now).await
}

async fn tell(
    conn: &mut AsyncPgConnection,
    row: &WorkspaceRow,
    is_deleted: bool,
    now: DateTime<Utc>,
) -> QueryResult<()> {
    let event = WorkspaceChanged {
        workspace_id: row.id,
        number: row.number,
        aggregate_version: row.version,
        organization_id: row.organization_id,
        name: row.name.clone(),
        slug: row.slug.clone(),
        is_active: row.is_active && !is_deleted,
        is_deleted,
        changed_at: now,
    };
    outbox::emit(conn, SERVICE, &event, now).await.map(|_| ())
}

fn taken(error: diesel::result::Error) -> ApiError {
    if service_db::violated(&error) == Some("workspaces_organization_slug_key") {
        return ApiError::invalid().field(
            "non_field_errors",
            "The fields organization, slug must make a unique set.",
        );
    }
    ApiError::from(error)
}
