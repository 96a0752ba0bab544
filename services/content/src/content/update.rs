//! Changing contents.

use serde_json::{Value, json};

use super::{
    ContentResponse, UpdateContentRequest,
    create::{find_project, prompt_id},
    error::ContentError,
    model::{self, Status},
    store::{self, ContentChange, ContentRow},
};
use crate::{
    AppState,
    actor::Actor,
    directory::store as directory,
    pii,
    trail::{self, ContentAction, Entry},
};

/// Changes what the request names. Editors change everything that no job is writing; a writer submits an own draft, and edits
/// it where the settings allow that (decisions.md 30).
pub(crate) async fn update_content(
    state: &AppState,
    actor: &Actor,
    number: i64,
    request: &UpdateContentRequest,
) -> Result<ContentResponse, ContentError> {
    let now = state.now();
    state
        .stack
        .db
        .transaction(async |conn| {
            directory::insert_actor(conn, actor, now).await?;
            let row = store::lock_content(conn, actor.organization_id, number)
                .await?
                .ok_or(ContentError::NotFound)?;
            allow(state, actor, &row, request)?;
            let (old, new) = (row.status(), status_after(&row, request)?);
            let mut change = ContentChange {
                status: Some(new.as_str()),
                ..text_change(request)
            };
            if let Some(number) = request.project {
                let project = find_project(conn, actor, number).await?;
                (change.project_id, change.workspace_id) =
                    (Some(project.id), Some(project.workspace_id));
            }
            if let Some(number) = request.prompt {
                change.prompt_id = Some(prompt_id(conn, actor, number).await?);
            }
            if old != new && matches!(old, Status::Approved | Status::Rejected) {
                (
                    change.approved_by,
                    change.approved_at,
                    change.rejection_reason,
                ) = (Some(None), Some(None), Some(None));
            }
            let row = store::update_content(conn, row.id, change, now).await?;
            let entry = Entry {
                content_id: row.id,
                content_number: row.number,
                title: &row.title,
                action: if request.changes_text() {
                    ContentAction::Updated
                } else {
                    ContentAction::StatusChanged
                },
                old: Some(old),
                new: Some(new),
                changes: changed_fields(request),
                notes: "",
            };
            trail::record_content(conn, actor, &entry, now).await?;
            Ok(store::show(conn, row).await?)
        })
        .await
}

fn allow(
    state: &AppState,
    actor: &Actor,
    row: &ContentRow,
    request: &UpdateContentRequest,
) -> Result<(), ContentError> {
    if actor.is_editor() {
        return Ok(());
    }
    let own_draft = row.created_by == actor.user_id && row.status() == Status::Draft;
    let text_allowed = !request.changes_text() || state.generation.writer_edit_own_draft;
    if own_draft && text_allowed {
        Ok(())
    } else {
        Err(ContentError::NotYours)
    }
}

fn status_after(row: &ContentRow, request: &UpdateContentRequest) -> Result<Status, ContentError> {
    let asked: Option<Status> = request
        .status
        .as_deref()
        .and_then(|status| status.parse().ok());
    if row.status() == Status::InProgress {
        return Err(ContentError::InProgress);
    }
    model::after_edit(row.status(), asked, request.changes_text())
        .ok_or_else(|| ContentError::BadStatus(asked.unwrap_or(row.status()).as_str()))
}

fn text_change(request: &UpdateContentRequest) -> ContentChange {
    let mut change = ContentChange {
        title: request
            .title
            .as_deref()
            .map(|title| title.trim().to_owned()),
        prompt_variables: request.prompt_variables.clone().map(Value::Object),
        ..ContentChange::default()
    };
    if let Some(body) = &request.body {
        let (has_pii, warnings) = pii::warnings(body);
        change.word_count = Some(model::word_count(body));
        change.has_pii = Some(has_pii);
        change.pii_warnings = Some(warnings);
        change.body = Some(body.clone());
    }
    change
}

/// Names of the changed fields; texts stay out of the trail.
fn changed_fields(request: &UpdateContentRequest) -> Value {
    let fields: Vec<&str> = [
        ("title", request.title.is_some()),
        ("project", request.project.is_some()),
        ("body", request.body.is_some()),
        ("prompt", request.prompt.is_some()),
        ("prompt_variables", request.prompt_variables.is_some()),
        ("status", request.status.is_some()),
    ]
    .into_iter()
    .filter_map(|(name, changed)| changed.then_some(name))
    .collect();
    json!({ "fields": fields })
}
