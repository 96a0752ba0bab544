//! What one does with workspaces, whatever the route's presentation.

use chrono::{DateTime, Utc};
use common_types::AccessClaims;
use diesel_async::AsyncPgConnection;
use service_audit::{ActorKind, AuditEntry};
use service_http::ApiError;
use service_http::text::required;
use uuid::Uuid;

use super::dto::WorkspaceRequest;
use super::service;
use super::store::{self, NewWorkspace, WorkspaceChanges, WorkspaceRow};
use crate::organization::{Rights, store as organizations};
use crate::state::AppState;
use crate::validate::{Errors, missing_object};

const MODEL: &str = "Workspace";

/// Makes a workspace; admins of the organisation only.
///
/// # Errors
/// 400 by field, 403; database failures.
pub(crate) async fn create(
    state: &AppState,
    caller: &AccessClaims,
    body: WorkspaceRequest,
) -> Result<WorkspaceRow, ApiError> {
    let now = state.now();
    let mut errors = Errors::new();
    let mut new = NewWorkspace {
        id: Uuid::now_v7(),
        organization_id: Uuid::nil(),
        name: errors.required("name", body.name, 255),
        slug: match body.slug {
            Some(slug) => errors.slug("slug", Some(slug), 100).unwrap_or_default(),
            None => errors.required("slug", None, 100),
        },
        description: errors
            .text("description", body.description, 5000)
            .unwrap_or_default(),
        is_active: body.is_active.unwrap_or(true),
        created_at: now,
        updated_at: now,
    };
    let mut rights = Rights::default();
    match body.organization {
        None => errors.add("organization", required()),
        Some(number) => {
            let mut conn = state.stack.db.get().await?;
            let row = organizations::find_organization(&mut conn, number).await?;
            if let Some(row) = row {
                new.organization_id = row.id;
                rights = Rights::in_organization(&mut conn, caller, row.id).await?;
            }
            if !rights.is_member() || new.organization_id.is_nil() {
                errors.add("organization", missing_object(&number.to_string()));
            }
        }
    }
    errors.into_result()?;
    rights.require_admin()?;
    let actor = caller.sub;
    let row = state
        .stack
        .db
        .transaction(
            async |conn: &mut AsyncPgConnection| -> Result<WorkspaceRow, ApiError> {
                let row = service::create(conn, &new, now).await?;
                audit(conn, actor, "workspace.created", &row, now).await?;
                Ok(row)
            },
        )
        .await?;
    state.stack.outbox.wake();
    Ok(row)
}

/// Changes a workspace; admins only.
///
/// # Errors
/// 400, 403, 404; database failures.
pub(crate) async fn update(
    state: &AppState,
    caller: &AccessClaims,
    row: WorkspaceRow,
    body: WorkspaceRequest,
) -> Result<WorkspaceRow, ApiError> {
    let mut errors = Errors::new();
    let changes = WorkspaceChanges {
        name: errors.filled("name", body.name, 255),
        slug: errors.slug("slug", body.slug, 100),
        description: errors.text("description", body.description, 5000),
        is_active: body.is_active,
    };
    errors.into_result()?;
    let (now, actor) = (state.now(), caller.sub);
    let row = state
        .stack
        .db
        .transaction(
            async |conn: &mut AsyncPgConnection| -> Result<WorkspaceRow, ApiError> {
                let row = service::change(conn, row.id, &changes, now).await?;
                audit(conn, actor, "workspace.updated", &row, now).await?;
                Ok(row)
            },
        )
        .await?;
    state.stack.outbox.wake();
    Ok(row)
}

/// Deletes a workspace; admins only.
///
/// # Errors
/// Database failures.
pub(crate) async fn delete(
    state: &AppState,
    caller: &AccessClaims,
    row: &WorkspaceRow,
) -> Result<(), ApiError> {
    let (now, actor) = (state.now(), caller.sub);
    state
        .stack
        .db
        .transaction(
            async |conn: &mut AsyncPgConnection| -> Result<(), ApiError> {
                service::delete(conn, row, now).await?;
                audit(conn, actor, "workspace.deleted", row, now).await
            },
        )
        .await?;
    state.stack.outbox.wake();
    Ok(())
}

/// The workspace when the caller administers its organisation.
///
/// # Errors
/// 403, 404; database failures.
pub(crate) async fn administered(
    state: &AppState,
    caller: &AccessClaims,
    number: i64,
) -> Result<WorkspaceRow, ApiError> {
    let mut conn = state.stack.db.get().await?;
    let (row, rights) = visible(&mut conn, caller, number).await?;
    rights.require_admin()?;
    Ok(row)
}

/// The workspace and the caller's rights there; 404 for strangers.
///
/// # Errors
/// 404; database failures.
pub(crate) async fn visible(
    conn: &mut AsyncPgConnection,
    caller: &AccessClaims,
    number: i64,
) -> Result<(WorkspaceRow, Rights), ApiError> {
    let missing = || ApiError::no_match("auth.object_missing", MODEL);
    let row = store::find_workspace(conn, number)
        .await?
        .ok_or_else(missing)?;
    let rights = Rights::of(conn, caller, row.organization_id, MODEL).await?;
    Ok((row, rights))
}

async fn audit(
    conn: &mut AsyncPgConnection,
    actor: Uuid,
    action: &'static str,
    row: &WorkspaceRow,
    now: DateTime<Utc>,
) -> Result<(), ApiError> {
    let entry = AuditEntry::new(actor, ActorKind::User, action, now)
        .subject("workspace", row.id)
        .organization(Some(row.organization_id))
        .origin(None, service_telemetry::current_request_id());
    service_audit::record(conn, entry).await?;
    Ok(())
}
