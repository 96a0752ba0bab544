//! How many projects a workspace has, as content tells it (A16).

use async_trait::async_trait;
use common_types::Envelope;
use common_types::events::content::WorkspaceProjectsCounted;
use diesel_async::AsyncPgConnection;
use service_events::{EventHandler, HandlerError};

use super::store;

/// Keeps the newest count.
pub(crate) struct KeepProjectCount;

#[async_trait]
impl EventHandler<WorkspaceProjectsCounted> for KeepProjectCount {
    async fn handle(
        &self,
        conn: &mut AsyncPgConnection,
        _: &Envelope,
        event: WorkspaceProjectsCounted,
    ) -> Result<(), HandlerError> {
        let (count, version) = (event.project_count, event.aggregate_version);
        store::set_project_count(conn, event.workspace_id, count, version).await?;
        Ok(())
    }
}
