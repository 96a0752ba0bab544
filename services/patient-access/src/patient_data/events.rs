//! A newer summary makes the cached one stale.

use async_trait::async_trait;
use common_types::events::{Envelope, chat::SummaryCreated};
use diesel_async::AsyncPgConnection;
use service_events::{EventHandler, HandlerError};

use super::store;
use crate::AppState;

/// Applies `chat.summary_created`: what is cached of that patient goes.
#[derive(Clone, Debug)]
pub(crate) struct DropCachedSummary {
    state: AppState,
}

impl DropCachedSummary {
    pub(crate) fn new(state: AppState) -> Self {
        Self { state }
    }
}

#[async_trait]
impl EventHandler<SummaryCreated> for DropCachedSummary {
    async fn handle(
        &self,
        conn: &mut AsyncPgConnection,
        _: &Envelope,
        event: SummaryCreated,
    ) -> Result<(), HandlerError> {
        let now = self.state.database_time(conn).await?;
        store::delete_for_patient(conn, event.patient_user_id, now).await?;
        Ok(())
    }
}
