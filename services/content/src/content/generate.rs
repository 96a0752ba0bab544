//! Asking for a generation: a job is written; the worker calls the AI outside of any transaction.

use serde_json::{Map, json};
use uuid::Uuid;

use super::{
    GenerateRequest, GenerateResponse,
    error::ContentError,
    model::{self, Status},
    store::{self, ContentChange, ContentRow},
};
use crate::{
    AppState,
    actor::Actor,
    directory::store as directory,
    job::store::{self as job, NewJob},
    prompt::{self, store::PromptRow},
    trail::{self, ContentAction, Entry},
    usage,
};

/// Writes a job and marks the content as in progress. A writer may do this with an own draft or rejected content.
pub(crate) async fn generate_content(
    state: &AppState,
    actor: &Actor,
    number: i64,
    request: &GenerateRequest,
) -> Result<GenerateResponse, ContentError> {
    let now = state.now();
    state
        .stack
        .db
        .transaction(async |conn| {
            directory::insert_actor(conn, actor, now).await?;
            let row = store::lock_content(conn, actor.organization_id, number)
                .await?
                .ok_or(ContentError::NotFound)?;
            allow(actor, &row)?;
            let spent = usage::spent_limit(conn, state, actor, row.workspace_id).await?;
            if let Some(detail) = spent {
                return Err(ContentError::LimitExceeded(detail));
            }
            let prompt = match row.prompt_id {
                Some(id) => Some(prompt::store::get_prompt(conn, actor.organization_id, id).await?),
                None => None,
            };
            let filled = fill(prompt.as_ref(), &row)?;
            let new = NewJob {
                id: Uuid::now_v7(),
                organization_id: actor.organization_id,
                workspace_id: row.workspace_id,
                content_id: row.id,
                user_id: actor.user_id,
                kind: &request.kind,
                params: json!(request),
                prompt_text: model::compose(request, &row.title, filled.as_deref(), &row.body),
                max_tokens: model::max_tokens(request),
                available_at: now,
                created_at: now,
                updated_at: now,
            };
            let job_number = job::insert_job(conn, new).await?;
            if let Some(prompt) = &prompt {
                prompt::store::count_use(conn, prompt.id).await?;
            }
            let old = row.status();
            let change = ContentChange {
                status: Some(Status::InProgress.as_str()),
                approved_by: Some(None),
                approved_at: Some(None),
                ..ContentChange::default()
            };
            let row = store::update_content(conn, row.id, change, now).await?;
            let notes = format!("AI generation job created: {}", request.kind);
            let entry = Entry {
                content_id: row.id,
                content_number: row.number,
                title: &row.title,
                action: ContentAction::StatusChanged,
                old: Some(old),
                new: Some(Status::InProgress),
                changes: json!({"job_id": job_number}),
                notes: &notes,
            };
            trail::record_content(conn, actor, &entry, now).await?;
            Ok(GenerateResponse {
                job_id: job_number,
                status: "pending",
                message: "Content generation started",
                content: store::show(conn, row).await?,
            })
        })
        .await
}

fn allow(actor: &Actor, row: &ContentRow) -> Result<(), ContentError> {
    let own = row.created_by == actor.user_id
        && !matches!(row.status(), Status::Approved | Status::Review);
    if !actor.is_editor() && !own {
        return Err(ContentError::NotYours);
    }
    if row.status() == Status::InProgress {
        Err(ContentError::InProgress)
    } else {
        Ok(())
    }
}

fn fill(prompt: Option<&PromptRow>, row: &ContentRow) -> Result<Option<String>, ContentError> {
    let Some(prompt) = prompt else {
        return Ok(None);
    };
    let none = Map::new();
    let values = row.prompt_variables.as_object().unwrap_or(&none);
    prompt::model::render(&prompt.prompt_template, values)
        .map(Some)
        .map_err(ContentError::MissingVariables)
}
