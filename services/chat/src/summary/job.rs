//! Makes the summaries that were asked for.

use std::time::Duration;

use chrono::TimeDelta;
use common_types::{
    Language,
    events::chat::SummaryCreated,
    internal::integrations::{SummarizeMessage, SummarizeRequest, SummarizeResponse},
};
use service_auth::InternalError;
use service_events::outbox;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::store::{self, JobRow, NewSummary};
use crate::{AppState, error::ChatError};

/// A model may take its time.
pub(crate) const CALL_TIMEOUT: Duration = Duration::from_secs(60);
/// How often the worker looks for jobs.
const POLL: Duration = Duration::from_millis(500);
/// After this a job that nobody ended is taken again.
const LEASE_SECONDS: i64 = 120;
const MOST_ATTEMPTS: i32 = 6;
/// Messages that one summary covers.
const MOST_MESSAGES: i64 = 500;

/// Works on jobs until `cancel`.
pub(crate) async fn run(state: AppState, cancel: CancellationToken) {
    while !cancel.is_cancelled() {
        let worked = match work_once(&state).await {
            Ok(worked) => worked,
            Err(error) => {
                tracing::warn!(%error, "summary jobs cannot be read");
                false
            }
        };
        if !worked {
            tokio::select! {
                () = cancel.cancelled() => {}
                () = tokio::time::sleep(POLL) => {}
            }
        }
    }
}

/// Does one job that is due; answers whether there was one.
async fn work_once(state: &AppState) -> Result<bool, ChatError> {
    let now = state.stack.clock.now();
    let lease = now + TimeDelta::seconds(LEASE_SECONDS);
    let claimed = state
        .stack
        .db
        .transaction(async |conn| Ok::<_, ChatError>(store::claim_job(conn, now, lease).await?))
        .await?;
    let Some(job) = claimed else {
        return Ok(false);
    };
    if let Err(failure) = make(state, &job).await {
        give_back(state, &job, &failure).await?;
    }
    Ok(true)
}

#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("there is nothing to summarise")]
    Nothing,
    #[error(transparent)]
    Peer(#[from] InternalError),
    #[error(transparent)]
    Chat(#[from] ChatError),
}

impl Failure {
    fn code(&self) -> &'static str {
        match self {
            Self::Nothing => "chat.nothing_to_summarize",
            Self::Peer(error) if error.status() == Some(402) => "ai.limit_reached",
            Self::Peer(_) => "ai.unavailable",
            Self::Chat(_) => "internal",
        }
    }

    /// Whether another try may help: not when there is nothing, a limit is spent, or the request is refused.
    fn may_pass(&self) -> bool {
        match self {
            Self::Nothing => false,
            Self::Peer(error) => !matches!(error.status(), Some(400 | 402 | 403 | 404 | 422)),
            Self::Chat(_) => true,
        }
    }
}

async fn make(state: &AppState, job: &JobRow) -> Result<(), Failure> {
    let spoken = {
        let mut conn = state.stack.db.get().await.map_err(ChatError::from)?;
        store::list_spoken(&mut conn, job.room_id, MOST_MESSAGES)
            .await
            .map_err(ChatError::from)?
    };
    let last_message_number = spoken
        .last()
        .map(|(number, ..)| *number)
        .ok_or(Failure::Nothing)?;
    let request = SummarizeRequest {
        language: job.language.parse().unwrap_or(Language::Fa),
        messages: spoken
            .into_iter()
            .map(|(_, name, number, text, at)| SummarizeMessage {
                author: if name.is_empty() {
                    format!("user-{number}")
                } else {
                    name
                },
                text,
                at,
            })
            .collect(),
        organization_id: job.organization_id,
        user_id: Some(job.requested_by),
    };
    let made: SummarizeResponse = state
        .integrations
        .post_json("/internal/ai/summarize/", &request)
        .await?;
    keep(state, job, &made, last_message_number).await?;
    Ok(())
}

async fn keep(
    state: &AppState,
    job: &JobRow,
    made: &SummarizeResponse,
    last_message_number: i64,
) -> Result<(), ChatError> {
    let now = state.stack.clock.now();
    let id = Uuid::now_v7();
    state
        .stack
        .db
        .transaction(async |conn| {
            let summary = NewSummary {
                id,
                room_id: job.room_id,
                patient_user_id: job.patient_user_id,
                organization_id: job.organization_id,
                content: &made.content,
                summary_text: &made.summary_text,
                model: &made.model,
                last_message_number,
                created_by: job.requested_by,
                created_at: now,
                updated_at: now,
            };
            store::insert_summary(conn, &summary).await?;
            if !store::complete_job(conn, job.id, id, now).await? {
                // Another worker ended the job while this one was slow: its summary stands.
                return Err(ChatError::JobNotFound);
            }
            let event = SummaryCreated {
                summary_id: id,
                aggregate_version: 1,
                organization_id: job.organization_id,
                room_id: job.room_id,
                patient_user_id: job.patient_user_id,
                created_at: now,
            };
            outbox::emit(conn, "chat", &event, now).await?;
            Ok(())
        })
        .await?;
    state.stack.outbox.wake();
    Ok(())
}

async fn give_back(state: &AppState, job: &JobRow, failure: &Failure) -> Result<(), ChatError> {
    let now = state.stack.clock.now();
    let again = (failure.may_pass() && job.attempts < MOST_ATTEMPTS)
        .then(|| now + TimeDelta::seconds(1 << job.attempts.clamp(0, 8)));
    tracing::warn!(job = %job.id, attempts = job.attempts, error = %failure, retried = again.is_some(), "a summary was not made");
    let mut conn = state.stack.db.get().await?;
    store::fail_job(&mut conn, job.id, failure.code(), again, now).await?;
    Ok(())
}
