//! Limits as content sets them.

use async_trait::async_trait;
use common_types::{Envelope, events::content::UsageLimitChanged};
use diesel_async::AsyncPgConnection;
use service_events::{EventHandler, HandlerError};

use super::store;

/// Keeps a copy of each limit; a newer version wins whatever the order of arrival.
pub(crate) struct KeepLimit;

#[async_trait]
impl EventHandler<UsageLimitChanged> for KeepLimit {
    async fn handle(
        &self,
        conn: &mut AsyncPgConnection,
        _: &Envelope,
        event: UsageLimitChanged,
    ) -> Result<(), HandlerError> {
        Ok(store::upsert_limit(conn, &event).await?)
    }
}
