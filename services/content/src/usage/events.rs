//! The usage log is fed by events of integrations.

use async_trait::async_trait;
use common_types::events::{Envelope, integrations::AiUsageRecorded};
use diesel_async::AsyncPgConnection;
use service_events::{EventHandler, HandlerError};

use super::store::{self, NewUsage};
use crate::job::job_of_key;

/// Writes one row per call; the same event changes nothing.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RecordUsage;

#[async_trait]
impl EventHandler<AiUsageRecorded> for RecordUsage {
    async fn handle(
        &self,
        conn: &mut AsyncPgConnection,
        _: &Envelope,
        event: AiUsageRecorded,
    ) -> Result<(), HandlerError> {
        let job = job_of_key(&event.reservation_key);
        let usage = NewUsage {
            id: event.usage_id,
            organization_id: event.organization_id,
            workspace_id: event.workspace_id,
            user_id: event.user_id,
            content_id: event.content_id,
            ai_job_id: job,
            model: event.model,
            prompt_tokens: event.prompt_tokens,
            completion_tokens: event.completion_tokens,
            total_tokens: event.total_tokens,
            cost_micros: event.cost_micros,
            duration_ms: event.duration_ms,
            success: event.success,
            error_message: event.error_code.unwrap_or_default(),
            recorded_at: event.recorded_at,
        };
        Ok(store::insert_usage(conn, usage).await?)
    }
}
