//! What one does with organisations, whatever the route's presentation.

use chrono::{DateTime, Utc};
use common_types::AccessClaims;
use common_types::internal::auth::Revocation;
use diesel_async::AsyncPgConnection;
use serde_json::json;
use service_audit::{ActorKind, AuditEntry};
use service_http::ApiError;
use uuid::Uuid;

use super::dto::{OrganizationRequest, OrganizationResponse};
use super::store::{self, NewOrganization, OrganizationChanges, OrganizationRow};
use super::{Rights, service};
use crate::session::revocation;
use crate::state::AppState;
use crate::validate::Errors;

const MODEL: &str = "Organization";

/// Makes an organisation; the caller becomes its content admin.
///
/// # Errors
/// 400 by field; database failures.
pub(crate) async fn create(
    state: &AppState,
    caller: &AccessClaims,
    body: OrganizationRequest,
) -> Result<OrganizationResponse, ApiError> {
    let now = state.now();
    let mut errors = Errors::new();
    let new = NewOrganization {
        id: Uuid::now_v7(),
        name: errors.required("name", body.name, 255),
        slug: match body.slug {
            Some(slug) => errors.slug("slug", Some(slug), 100).unwrap_or_default(),
            None => errors.required("slug", None, 100),
        },
        description: errors
            .text("description", body.description, 5000)
            .unwrap_or_default(),
        is_active: body.is_active.unwrap_or(true),
        is_personal: false,
        created_at: now,
        updated_at: now,
    };
    errors.into_result()?;
    let maker = caller.sub;
    let row = state
        .stack
        .db
        .transaction(
            async |conn: &mut AsyncPgConnection| -> Result<OrganizationRow, ApiError> {
                let row = service::create(conn, &new, maker, now).await?;
                audit(conn, maker, "organization.created", row.id, now).await?;
                Ok(row)
            },
        )
        .await?;
    state.stack.outbox.wake();
    Ok(OrganizationResponse::new(row, 1, 0))
}

/// Changes an organisation; its admins only. Closing it ends its members' access tokens.
///
/// # Errors
/// 400, 403, 404; database failures.
pub(crate) async fn update(
    state: &AppState,
    caller: &AccessClaims,
    number: i64,
    body: OrganizationRequest,
) -> Result<OrganizationResponse, ApiError> {
    let row = administered(state, caller, number).await?;
    let mut errors = Errors::new();
    let changes = OrganizationChanges {
        name: errors.filled("name", body.name, 255),
        slug: errors.slug("slug", body.slug, 100),
        description: errors.text("description", body.description, 5000),
        is_active: body.is_active,
    };
    errors.into_result()?;
    change(state, caller.sub, row.id, &changes, "organization.updated").await
}

/// Closes an organisation: what hangs on it stays for its record.
///
/// # Errors
/// 403, 404; database failures.
pub(crate) async fn close(
    state: &AppState,
    caller: &AccessClaims,
    number: i64,
) -> Result<(), ApiError> {
    let row = administered(state, caller, number).await?;
    let closed = OrganizationChanges {
        is_active: Some(false),
        ..OrganizationChanges::default()
    };
    change(state, caller.sub, row.id, &closed, "organization.closed").await?;
    Ok(())
}

async fn change(
    state: &AppState,
    actor: Uuid,
    id: Uuid,
    changes: &OrganizationChanges,
    action: &'static str,
) -> Result<OrganizationResponse, ApiError> {
    let now = state.now();
    let (row, ended) = state
        .stack
        .db
        .transaction(
            async |conn: &mut AsyncPgConnection| -> Result<(OrganizationRow, Vec<Revocation>), ApiError> {
                let before = store::lock_organization(conn, id).await?;
                let row = service::change(conn, id, changes, now).await?;
                audit(conn, actor, action, row.id, now).await?;
                let mut ended = Vec::new();
                if before.is_active && !row.is_active {
                    for user in store::list_members_with_sessions(conn, id, now).await? {
                        ended.push(revocation::end_tokens_of(conn, state, user, now).await?);
                    }
                }
                Ok((row, ended))
            },
        )
        .await?;
    state.stack.outbox.wake();
    revocation::announce(state, &ended);
    let mut conn = state.stack.db.get().await?;
    show(&mut conn, row).await
}

/// The organisation and the caller's rights there; 404 for strangers.
///
/// # Errors
/// 404; database failures.
pub(crate) async fn visible(
    conn: &mut AsyncPgConnection,
    caller: &AccessClaims,
    number: i64,
) -> Result<(OrganizationRow, Rights), ApiError> {
    let missing = || ApiError::no_match("auth.object_missing", MODEL);
    let row = store::find_organization(conn, number)
        .await?
        .ok_or_else(missing)?;
    let rights = Rights::of(conn, caller, row.id, MODEL).await?;
    Ok((row, rights))
}

async fn administered(
    state: &AppState,
    caller: &AccessClaims,
    number: i64,
) -> Result<OrganizationRow, ApiError> {
    let mut conn = state.stack.db.get().await?;
    let (row, rights) = visible(&mut conn, caller, number).await?;
    rights.require_admin()?;
    Ok(row)
}

/// One organisation with its counts.
///
/// # Errors
/// Database failures.
pub(crate) async fn show(
    conn: &mut AsyncPgConnection,
    row: OrganizationRow,
) -> Result<OrganizationResponse, ApiError> {
    let mut counts = store::list_counts(conn, &[row.id]).await?;
    let (members, workspaces) = counts.remove(&row.id).unwrap_or_default();
    Ok(OrganizationResponse::new(row, members, workspaces))
}

/// Organisations with their counts.
///
/// # Errors
/// Database failures.
pub(crate) async fn show_all(
    conn: &mut AsyncPgConnection,
    rows: Vec<OrganizationRow>,
) -> Result<Vec<OrganizationResponse>, ApiError> {
    let ids: Vec<Uuid> = rows.iter().map(|row| row.id).collect();
    let counts = store::list_counts(conn, &ids).await?;
    let of = |row: OrganizationRow| {
        let (members, workspaces) = counts.get(&row.id).copied().unwrap_or_default();
        OrganizationResponse::new(row, members, workspaces)
    };
    Ok(rows.into_iter().map(of).collect())
}

async fn audit(
    conn: &mut AsyncPgConnection,
    actor: Uuid,
    action: &'static str,
    id: Uuid,
    now: DateTime<Utc>,
) -> Result<(), ApiError> {
    let entry = AuditEntry::new(actor, ActorKind::User, action, now)
        .subject("organization", id)
        .organization(Some(id))
        .origin(None, service_telemetry::current_request_id())
        .details(json!({}));
    service_audit::record(conn, entry).await?;
    Ok(())
}
