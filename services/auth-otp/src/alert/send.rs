//! Handing the due alerts to `integrations`.

use chrono::{DateTime, TimeDelta, Utc};
use common_types::Language;
use common_types::internal::integrations::{
    Channel, DeliveryMode, MessagePurpose, SendMessageRequest, SendMessageResponse,
};
use service_auth::InternalError;

use super::store::{self, AlertRow};
use super::text;
use crate::state::AppState;

/// Alerts handed over in one run.
const BATCH: i64 = 100;
/// An alert older than this is no news any more.
const GIVE_UP_AFTER: TimeDelta = TimeDelta::days(1);

/// Hands every due alert to `integrations`; a refused one is tried again later, for a day.
///
/// # Errors
/// When the database does not answer.
pub async fn send_due(state: &AppState, now: DateTime<Utc>) -> anyhow::Result<()> {
    let mut conn = state.stack.db.get().await?;
    let due = store::list_due(&mut conn, now, BATCH).await?;
    drop(conn);
    for alert in due {
        let outcome = send(state, &alert).await;
        let mut conn = state.stack.db.get().await?;
        match outcome {
            Ok(()) => store::update_done(&mut conn, alert.id, true, now).await?,
            Err(error) if now - alert.created_at > GIVE_UP_AFTER => {
                tracing::warn!(alert = %alert.id, %error, "an alert was given up");
                metrics::counter!("auth_alerts_given_up_total").increment(1);
                store::update_done(&mut conn, alert.id, false, now).await?;
            }
            Err(error) => {
                tracing::warn!(alert = %alert.id, %error, "an alert could not be handed over yet");
                let wait = TimeDelta::seconds(15 << alert.attempts.clamp(0, 8));
                store::update_retry(&mut conn, alert.id, now + wait).await?;
            }
        }
    }
    Ok(())
}

async fn send(state: &AppState, alert: &AlertRow) -> Result<(), InternalError> {
    let language = alert.language.parse().unwrap_or(Language::Fa);
    let Some(text) = text::compose(&alert.kind, language, &alert.device) else {
        return Err(InternalError::Answer(format!(
            "no text for {:?}",
            alert.kind
        )));
    };
    let message = SendMessageRequest {
        idempotency_key: format!("alert:{}", alert.id),
        channel: Channel::Sms,
        to: alert.phone.clone(),
        language,
        subject: None,
        text,
        html: None,
        purpose: MessagePurpose::Notification,
        template: None,
        mode: DeliveryMode::Queued,
        organization_id: None,
        reference: Some(alert.id.to_string()),
    };
    let _: SendMessageResponse = state
        .messages
        .post_json("/internal/messages/", &message)
        .await?;
    Ok(())
}
