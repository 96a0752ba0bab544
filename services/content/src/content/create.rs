//! Creating and deleting contents.

use diesel_async::AsyncPgConnection;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    ContentResponse, CreateContentRequest,
    error::ContentError,
    model::{self, Status},
    store::{self, NewContent},
};
use crate::{
    AppState,
    actor::Actor,
    directory::store as directory,
    pii,
    project::store::{self as project, ProjectRow},
    prompt::store as prompt,
    trail::{self, ContentAction, Entry},
};

/// A new content of the actor's organisation, as a draft or at once for review.
pub(crate) async fn create_content(
    state: &AppState,
    actor: &Actor,
    request: &CreateContentRequest,
) -> Result<ContentResponse, ContentError> {
    let now = state.now();
    let body = request.body.as_deref().unwrap_or_default();
    let (has_pii, pii_warnings) = pii::warnings(body);
    let (has_pii, pii_warnings) = (&has_pii, &pii_warnings);
    let status = if request.status.as_deref() == Some("review") {
        Status::Review
    } else {
        Status::Draft
    };
    state
        .stack
        .db
        .transaction(async |conn| {
            directory::insert_actor(conn, actor, now).await?;
            let project = find_project(conn, actor, request.project).await?;
            let new = NewContent {
                id: Uuid::now_v7(),
                organization_id: actor.organization_id,
                workspace_id: project.workspace_id,
                project_id: project.id,
                prompt_id: prompt_id(conn, actor, request.prompt).await?,
                title: request.title.trim(),
                body,
                status: status.as_str(),
                prompt_variables: Value::Object(
                    request.prompt_variables.clone().unwrap_or_default(),
                ),
                word_count: model::word_count(body),
                has_pii: *has_pii,
                pii_warnings: pii_warnings.clone(),
                created_by: actor.user_id,
                created_at: now,
                updated_at: now,
            };
            let row = store::insert_content(conn, new).await?;
            let entry = Entry {
                content_id: row.id,
                content_number: row.number,
                title: &row.title,
                action: ContentAction::Created,
                old: None,
                new: Some(status),
                changes: json!({}),
                notes: "",
            };
            trail::record_content(conn, actor, &entry, now).await?;
            Ok(store::show(conn, row).await?)
        })
        .await
}

/// Deletes a content with its versions; jobs, usage and the trail stay.
pub(crate) async fn delete_content(
    state: &AppState,
    actor: &Actor,
    number: i64,
) -> Result<(), ContentError> {
    let now = state.now();
    state
        .stack
        .db
        .transaction(async |conn| {
            directory::insert_actor(conn, actor, now).await?;
            let row = store::lock_content(conn, actor.organization_id, number)
                .await?
                .ok_or(ContentError::NotFound)?;
            let entry = Entry {
                content_id: row.id,
                content_number: row.number,
                title: &row.title,
                action: ContentAction::Deleted,
                old: Some(row.status()),
                new: None,
                changes: json!({}),
                notes: "",
            };
            trail::record_content(conn, actor, &entry, now).await?;
            store::delete_content(conn, row.id).await?;
            Ok(())
        })
        .await
}

/// A project of the actor's organisation.
pub(super) async fn find_project(
    conn: &mut AsyncPgConnection,
    actor: &Actor,
    number: i64,
) -> Result<ProjectRow, ContentError> {
    let found = project::find_project(conn, actor.organization_id, number).await?;
    found.ok_or(ContentError::UnknownProject(number))
}

/// Id of a prompt of the actor's organisation.
pub(super) async fn prompt_id(
    conn: &mut AsyncPgConnection,
    actor: &Actor,
    number: Option<i64>,
) -> Result<Option<Uuid>, ContentError> {
    let Some(number) = number else {
        return Ok(None);
    };
    let found = prompt::find_prompt(conn, actor.organization_id, number).await?;
    found
        .map(|prompt| Some(prompt.id))
        .ok_or(ContentError::UnknownPrompt(number))
}
