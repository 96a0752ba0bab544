//! Approving and rejecting (C01, seeds.md 1.9 row 40).

use common_types::events::content::{ContentApproved, ContentRejected};
use serde_json::json;
use service_events::outbox;

use super::{
    ContentResponse,
    error::ContentError,
    model::Status,
    store::{self, ContentChange},
};
use crate::{
    AppState, ContentService,
    actor::Actor,
    directory::store as directory,
    trail::{self, ContentAction, Entry},
    version,
};
use service_http::ServiceDefinition as _;

/// Approves a content in review, makes its next version and tells the platform.
pub(crate) async fn approve_content(
    state: &AppState,
    actor: &Actor,
    number: i64,
) -> Result<ContentResponse, ContentError> {
    let now = state.now();
    let shown = state
        .stack
        .db
        .transaction(async |conn| {
            directory::insert_actor(conn, actor, now).await?;
            let row = store::lock_content(conn, actor.organization_id, number)
                .await?
                .ok_or(ContentError::NotFound)?;
            if row.status() != Status::Review {
                return Err(ContentError::NotInReviewToApprove);
            }
            if row.created_by == actor.user_id
                && directory::count_approvers(conn, actor.organization_id).await? >= 2
            {
                return Err(ContentError::SelfApproval);
            }
            let change = ContentChange {
                status: Some(Status::Approved.as_str()),
                approved_by: Some(Some(actor.user_id)),
                approved_at: Some(Some(now)),
                rejection_reason: Some(None),
                ..ContentChange::default()
            };
            let row = store::update_content(conn, row.id, change, now).await?;
            let version =
                version::store::insert_version(conn, &row, actor.user_id, None, now).await?;
            let event = ContentApproved {
                content_id: row.id,
                content_number: row.number,
                aggregate_version: row.row_version,
                organization_id: row.organization_id,
                workspace_id: row.workspace_id,
                project_id: row.project_id,
                version_id: version.id,
                version_number: version.version_number,
                author_id: row.created_by,
                approved_by: actor.user_id,
                approved_at: now,
            };
            outbox::emit(conn, ContentService::NAME, &event, now).await?;
            let entry = Entry {
                content_id: row.id,
                content_number: row.number,
                title: &row.title,
                action: ContentAction::Approved,
                old: Some(Status::Review),
                new: Some(Status::Approved),
                changes: json!({"version_number": version.version_number}),
                notes: "",
            };
            trail::record_content(conn, actor, &entry, now).await?;
            Ok(store::show(conn, row).await?)
        })
        .await?;
    state.stack.outbox.wake();
    Ok(shown)
}

/// Rejects a content in review with a reason.
pub(crate) async fn reject_content(
    state: &AppState,
    actor: &Actor,
    number: i64,
    reason: &str,
) -> Result<ContentResponse, ContentError> {
    let now = state.now();
    let reason = reason.trim();
    let shown = state
        .stack
        .db
        .transaction(async |conn| {
            directory::insert_actor(conn, actor, now).await?;
            let row = store::lock_content(conn, actor.organization_id, number)
                .await?
                .ok_or(ContentError::NotFound)?;
            if row.status() != Status::Review {
                return Err(ContentError::NotInReviewToReject);
            }
            let change = ContentChange {
                status: Some(Status::Rejected.as_str()),
                rejection_reason: Some(Some(reason.to_owned())),
                ..ContentChange::default()
            };
            let row = store::update_content(conn, row.id, change, now).await?;
            let event = ContentRejected {
                content_id: row.id,
                content_number: row.number,
                aggregate_version: row.row_version,
                organization_id: row.organization_id,
                workspace_id: row.workspace_id,
                project_id: row.project_id,
                author_id: row.created_by,
                rejected_by: actor.user_id,
                rejected_at: now,
            };
            outbox::emit(conn, ContentService::NAME, &event, now).await?;
            let entry = Entry {
                content_id: row.id,
                content_number: row.number,
                title: &row.title,
                action: ContentAction::Rejected,
                old: Some(Status::Review),
                new: Some(Status::Rejected),
                changes: json!({}),
                notes: reason,
            };
            trail::record_content(conn, actor, &entry, now).await?;
            Ok(store::show(conn, row).await?)
        })
        .await?;
    state.stack.outbox.wake();
    Ok(shown)
}
