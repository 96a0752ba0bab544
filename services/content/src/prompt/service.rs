//! Creating, changing and deleting prompts.

use diesel_async::AsyncPgConnection;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    CreatePromptRequest, PromptResponse, UpdatePromptRequest,
    error::PromptError,
    model,
    store::{self, NewPrompt, PromptChange},
};
use crate::{AppState, actor::Actor, directory::store as directory, trail};

/// A new prompt of the actor's organisation. Without `variables` the placeholders of the template are listed.
pub(crate) async fn create_prompt(
    state: &AppState,
    actor: &Actor,
    request: &CreatePromptRequest,
) -> Result<PromptResponse, PromptError> {
    let now = state.now();
    state
        .stack
        .db
        .transaction(async |conn| {
            directory::insert_actor(conn, actor, now).await?;
            let new = NewPrompt {
                id: Uuid::now_v7(),
                organization_id: actor.organization_id,
                workspace_id: workspace_id(conn, actor, request.workspace).await?,
                title: request.title.trim(),
                category: &request.category,
                prompt_template: &request.prompt_template,
                variables: variables(request),
                is_public: request.is_public.unwrap_or(false),
                created_by: actor.user_id,
                created_at: now,
                updated_at: now,
            };
            let row = store::insert_prompt(conn, new).await?;
            trail::record_action(conn, actor, "prompt.created", "prompt", row.id, now).await?;
            only(conn, row).await
        })
        .await
}

/// Changes what the request names.
pub(crate) async fn update_prompt(
    state: &AppState,
    actor: &Actor,
    number: i64,
    request: &UpdatePromptRequest,
) -> Result<PromptResponse, PromptError> {
    let now = state.now();
    state
        .stack
        .db
        .transaction(async |conn| {
            let workspace_id = match request.workspace {
                Some(number) => Some(workspace_id(conn, actor, number).await?),
                None => None,
            };
            let change = PromptChange {
                workspace_id,
                title: request.title.as_deref().map(str::trim),
                category: request.category.as_deref(),
                prompt_template: request.prompt_template.as_deref(),
                variables: request.variables.as_ref(),
                is_public: request.is_public,
                updated_at: now,
            };
            let row = store::update_prompt(conn, actor.organization_id, number, &change)
                .await?
                .ok_or(PromptError::NotFound)?;
            trail::record_action(conn, actor, "prompt.updated", "prompt", row.id, now).await?;
            only(conn, row).await
        })
        .await
}

/// Deletes a prompt; contents made from it stay.
pub(crate) async fn delete_prompt(
    state: &AppState,
    actor: &Actor,
    number: i64,
) -> Result<(), PromptError> {
    let now = state.now();
    state
        .stack
        .db
        .transaction(async |conn| {
            let id = store::delete_prompt(conn, actor.organization_id, number)
                .await?
                .ok_or(PromptError::NotFound)?;
            trail::record_action(conn, actor, "prompt.deleted", "prompt", id, now).await?;
            Ok(())
        })
        .await
}

fn variables(request: &CreatePromptRequest) -> Value {
    request
        .variables
        .clone()
        .unwrap_or_else(|| json!(model::placeholders(&request.prompt_template)))
}

async fn workspace_id(
    conn: &mut AsyncPgConnection,
    actor: &Actor,
    number: Option<i64>,
) -> Result<Option<Uuid>, PromptError> {
    let Some(number) = number else {
        return Ok(None);
    };
    let found = directory::find_workspace(conn, actor.organization_id, number).await?;
    found
        .map(|workspace| Some(workspace.id))
        .ok_or(PromptError::UnknownWorkspace(number))
}

async fn only(
    conn: &mut AsyncPgConnection,
    row: store::PromptRow,
) -> Result<PromptResponse, PromptError> {
    store::show(conn, vec![row])
        .await?
        .pop()
        .ok_or(PromptError::NotFound)
}
