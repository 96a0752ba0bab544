//! What the end of a job does to its content, in one transaction.

use std::collections::BTreeMap;

use common_types::internal::integrations::AiGenerateResponse;
use diesel_async::AsyncPgConnection;
use serde_json::json;
use service_db::DbError;

use super::store::{self, ClaimedJob};
use crate::{
    AppState,
    actor::Actor,
    content::{
        model::{self, Status},
        store::{self as content, ContentChange, ContentRow},
    },
    pii,
    trail::{self, ContentAction, Entry},
    version,
};

/// The text came: the content goes to review with a version. A content that was deleted meanwhile keeps its job's row.
pub(super) async fn complete(
    state: &AppState,
    job: &ClaimedJob,
    answer: &AiGenerateResponse,
    masked: &BTreeMap<String, String>,
) -> Result<(), DbError> {
    let now = state.now();
    let body = pii::restore(&answer.text, masked);
    let body = body.trim();
    let usage = json!({
        "prompt_tokens": answer.usage.prompt_tokens,
        "completion_tokens": answer.usage.completion_tokens,
        "total_tokens": answer.usage.total_tokens,
    });
    let usage = &usage;
    state
        .stack
        .db
        .transaction(async |conn| {
            if !store::lock_running(conn, job).await? {
                return Ok(());
            }
            let mut result =
                json!({"model": answer.model, "provider": answer.provider, "usage": usage});
            if let Some(row) = lock_in_progress(conn, job).await? {
                let (has_pii, warnings) = pii::warnings(body);
                let change = ContentChange {
                    body: Some(body.to_owned()),
                    status: Some(Status::Review.as_str()),
                    word_count: Some(model::word_count(body)),
                    has_pii: Some(has_pii),
                    pii_warnings: Some(warnings),
                    metadata: Some(
                        json!({"model": answer.model, "tokens_used": answer.usage.total_tokens}),
                    ),
                    rejection_reason: Some(None),
                    ..ContentChange::default()
                };
                let row = content::update_content(conn, row.id, change, now).await?;
                let version =
                    version::store::insert_version(conn, &row, job.user_id, Some(job.id), now)
                        .await?;
                result["version_number"] = version.version_number.into();
                result["word_count"] = row.word_count.into();
                record(
                    conn,
                    job,
                    &row,
                    Status::Review,
                    "AI generation completed",
                    now,
                )
                .await?;
            }
            store::complete_job(conn, job.id, result, now).await?;
            Ok(())
        })
        .await
}

/// The job is given up: the content goes back to draft with the text it had.
pub(super) async fn fail(state: &AppState, job: &ClaimedJob, message: &str) -> Result<(), DbError> {
    let now = state.now();
    state
        .stack
        .db
        .transaction(async |conn| {
            if !store::lock_running(conn, job).await? {
                return Ok(());
            }
            if let Some(row) = lock_in_progress(conn, job).await? {
                let change = ContentChange {
                    status: Some(Status::Draft.as_str()),
                    ..ContentChange::default()
                };
                let row = content::update_content(conn, row.id, change, now).await?;
                record(conn, job, &row, Status::Draft, "AI generation failed", now).await?;
            }
            store::fail_job(conn, job.id, message, now).await?;
            Ok(())
        })
        .await
}

async fn lock_in_progress(
    conn: &mut AsyncPgConnection,
    job: &ClaimedJob,
) -> Result<Option<ContentRow>, DbError> {
    let Some(id) = job.content_id else {
        return Ok(None);
    };
    let row = content::lock_content_of_job(conn, job.organization_id, id).await?;
    Ok(row.filter(|row| row.status() == Status::InProgress))
}

async fn record(
    conn: &mut AsyncPgConnection,
    job: &ClaimedJob,
    row: &ContentRow,
    new: Status,
    notes: &str,
    now: chrono::DateTime<chrono::Utc>,
) -> Result<(), DbError> {
    let actor = Actor::of_job(job.user_id, job.organization_id);
    let entry = Entry {
        content_id: row.id,
        content_number: row.number,
        title: &row.title,
        action: ContentAction::StatusChanged,
        old: Some(Status::InProgress),
        new: Some(new),
        changes: json!({"job_id": job.number}),
        notes,
    };
    Ok(trail::record_content(conn, &actor, &entry, now).await?)
}
