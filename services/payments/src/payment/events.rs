use async_trait::async_trait;
use common_types::events::{Envelope, integrations::WebhookReceived};
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use service_events::{EventHandler, HandlerError};
use uuid::Uuid;

use super::{store, transitions};
use crate::{AppState, schema::provider_events};

/// A provider's webhook: written down, and the payment it speaks of is asked about at once. What
/// the webhook claims is not believed.
pub(crate) struct QueueCheck(pub(crate) AppState);

#[async_trait]
impl EventHandler<WebhookReceived> for QueueCheck {
    async fn handle(
        &self,
        conn: &mut AsyncPgConnection,
        _envelope: &Envelope,
        event: WebhookReceived,
    ) -> Result<(), HandlerError> {
        Ok(receive_webhook(conn, &self.0, &event).await?)
    }
}

/// Writes a provider's webhook down and has the payment it speaks of asked about at once. Any number
/// of copies in any order do the same: nothing here moves money.
///
/// # Errors
/// When the database refuses.
pub async fn receive_webhook(
    conn: &mut AsyncPgConnection,
    state: &AppState,
    event: &WebhookReceived,
) -> QueryResult<()> {
    let Some(provider) = state.providers.slug_of(&event.provider_slug) else {
        return Ok(());
    };
    let payment = match event
        .order_reference
        .as_deref()
        .and_then(|id| Uuid::parse_str(id).ok())
    {
        Some(order) => store::find_payment(conn, order).await?,
        None => None,
    };
    let payment = match (payment, &event.provider_reference) {
        (None, Some(reference)) => store::find_by_reference(conn, provider, reference).await?,
        (found, _) => found.filter(|payment| payment.provider == provider),
    };
    let payment_id = payment.map(|payment| payment.id);
    diesel::insert_into(provider_events::table)
        .values((
            provider_events::webhook_event_id.eq(event.webhook_event_id),
            provider_events::provider.eq(provider),
            provider_events::event_type.eq(&event.event_type),
            provider_events::payment_id.eq(payment_id),
            provider_events::provider_reference.eq(&event.provider_reference),
            provider_events::order_reference.eq(&event.order_reference),
            provider_events::received_at.eq(event.received_at),
        ))
        .on_conflict_do_nothing()
        .execute(conn)
        .await?;
    match payment_id {
        Some(id) => {
            transitions::check_soon(conn, id, state.now()).await?;
        }
        None => tracing::warn!(provider, "a webhook speaks of a payment we do not know"),
    }
    Ok(())
}
