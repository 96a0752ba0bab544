//! The loop that has jobs written.

use std::time::Duration;

use chrono::TimeDelta;
use common_types::internal::integrations::{
    AiGenerateRequest, AiGenerateResponse, AiLimitExceeded,
};
use service_auth::InternalError;
use service_db::DbError;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{
    outcome,
    store::{self, ClaimedJob},
};
use crate::{AppState, pii, usage};

/// Pause when nothing is due.
const IDLE: Duration = Duration::from_millis(400);
/// Pause when the database does not answer.
const BROKEN: Duration = Duration::from_secs(2);
const SYSTEM_PROMPT: &str = "You write health content for a clinic's public pages, in the language of the request. \
                             Keep placeholders such as [PHONE_1] exactly as they stand.";

const KEY_PREFIX: &str = "content-job:";

/// The stable key of a job's call: a repeated call with it is neither made nor charged twice.
fn key_of(job: Uuid) -> String {
    format!("{KEY_PREFIX}{job}")
}

/// The job whose call had `key`, when it was one of ours.
pub(crate) fn job_of_key(key: &str) -> Option<Uuid> {
    key.strip_prefix(KEY_PREFIX)?.parse().ok()
}

/// Claims and runs jobs until `cancel`.
pub(crate) async fn run(state: AppState, cancel: CancellationToken) {
    while !cancel.is_cancelled() {
        let pause = match work_once(&state).await {
            Ok(true) => continue,
            Ok(false) => IDLE,
            Err(error) => {
                tracing::warn!(%error, "jobs wait for the database");
                BROKEN
            }
        };
        tokio::select! { () = cancel.cancelled() => {}, () = tokio::time::sleep(pause) => {} }
    }
}

/// Runs one job, when one is due.
async fn work_once(state: &AppState) -> Result<bool, DbError> {
    let now = state.now();
    let until = now + TimeDelta::seconds(state.generation.claim_seconds);
    let claimed = {
        let mut conn = state.stack.db.get().await?;
        store::claim_job(&mut conn, now, until).await?
    };
    let Some(job) = claimed else { return Ok(false) };
    if job.retry_count > state.generation.max_retries {
        outcome::fail(state, &job, "The job was interrupted too often.").await?;
        return Ok(true);
    }
    let (prompt, masked) = pii::mask(&job.prompt_text);
    match call_holding(state, &job, prompt).await? {
        Ok(answer) if !answer.text.trim().is_empty() => {
            outcome::complete(state, &job, &answer, &masked).await?
        }
        Ok(_) => outcome::fail(state, &job, "The AI service answered without a text.").await?,
        Err(error) => refuse(state, &job, &error).await?,
    }
    Ok(true)
}

/// The call, while the claim is renewed: a worker that dies loses it soon, one that waits keeps it.
async fn call_holding(
    state: &AppState,
    job: &ClaimedJob,
    prompt: String,
) -> Result<Result<AiGenerateResponse, InternalError>, DbError> {
    let claim = state.generation.claim_seconds;
    let mut renew = tokio::time::interval(Duration::from_secs(claim.unsigned_abs().div_ceil(3)));
    renew.tick().await;
    let mut answer = std::pin::pin!(call(state, job, prompt));
    loop {
        tokio::select! {
            answer = &mut answer => return Ok(answer),
            _ = renew.tick() => {
                let mut conn = state.stack.db.get().await?;
                store::renew_claim(&mut conn, job, state.now() + TimeDelta::seconds(claim)).await?;
            }
        }
    }
}

async fn call(
    state: &AppState,
    job: &ClaimedJob,
    prompt: String,
) -> Result<AiGenerateResponse, InternalError> {
    let request = AiGenerateRequest {
        purpose: "content_generation".to_owned(),
        prompt,
        system_prompt: Some(SYSTEM_PROMPT.to_owned()),
        max_tokens: u32::try_from(job.max_tokens).unwrap_or(1000),
        temperature: 0.7,
        model: None,
        language: None,
        user_id: Some(job.user_id),
        organization_id: job.organization_id,
        workspace_id: Some(job.workspace_id),
        content_id: job.content_id,
        reservation_key: key_of(job.id),
    };
    state
        .integrations
        .post_json("/internal/ai/generate/", &request)
        .await
}

/// A spent limit and a refused request end the job; everything else may pass and is tried again.
async fn refuse(state: &AppState, job: &ClaimedJob, error: &InternalError) -> Result<(), DbError> {
    match error {
        InternalError::Status { status: 402, body } => {
            let limit: Option<AiLimitExceeded> = serde_json::from_str(body).ok();
            let message = limit.map_or_else(
                || "Usage limit exceeded".to_owned(),
                |limit| usage::describe(&limit),
            );
            outcome::fail(state, job, &message).await
        }
        InternalError::Status { status, .. }
            if *status < 500 && !matches!(status, 401 | 403 | 408 | 409 | 425 | 429) =>
        {
            tracing::warn!(job = %job.id, status, "the AI service refused a job");
            outcome::fail(state, job, "The AI service refused the request.").await
        }
        error if job.retry_count >= state.generation.max_retries => {
            tracing::warn!(job = %job.id, %error, "a job is given up");
            outcome::fail(state, job, "The AI service did not answer.").await
        }
        error => {
            tracing::info!(job = %job.id, %error, retry = job.retry_count, "a job is tried again");
            retry(state, job).await
        }
    }
}

async fn retry(state: &AppState, job: &ClaimedJob) -> Result<(), DbError> {
    let now = state.now();
    let at = now + TimeDelta::seconds(1 << job.retry_count.clamp(0, 8));
    state
        .stack
        .db
        .transaction(async |conn| {
            if store::lock_running(conn, job).await? {
                store::retry_job(
                    conn,
                    job.id,
                    "The AI service did not answer; it is asked again.",
                    at,
                    now,
                )
                .await?;
            }
            Ok(())
        })
        .await
}
