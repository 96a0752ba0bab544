use chrono::{DateTime, NaiveDate, Utc};
use uuid::Uuid;

use super::{
    NewException, ReconciliationError,
    store::{self, RunRow},
};
use crate::AppState;

/// What one look found.
pub(super) struct Look {
    pub(super) source: &'static str,
    pub(super) lines: i64,
    pub(super) differences: Vec<NewException>,
    /// Why the look is not whole, when the provider left questions unanswered.
    pub(super) unanswered: Option<String>,
}

impl Look {
    /// One that found nothing yet.
    pub(super) fn of(source: &'static str) -> Self {
        Self {
            source,
            lines: 0,
            differences: Vec::new(),
            unanswered: None,
        }
    }
}

/// Writes a look down: its run, and each difference once; new ones raise the alarm, also when the
/// provider fell silent before the end. Answers how many differences there are.
pub(super) async fn write(
    state: &AppState,
    provider: &str,
    day: NaiveDate,
    started_at: DateTime<Utc>,
    look: Look,
) -> Result<i64, ReconciliationError> {
    let now = state.now();
    let Look {
        source,
        lines,
        differences,
        unanswered,
    } = look;
    if let Some(reason) = &unanswered {
        tracing::warn!(provider, %day, reason, "a provider's day was not wholly reconciled");
    }
    let count = i64::try_from(differences.len()).unwrap_or(i64::MAX);
    let run = RunRow {
        id: Uuid::now_v7(),
        provider: provider.to_owned(),
        day,
        source: source.to_owned(),
        outcome: match (&unanswered, count) {
            (Some(_), _) => "unanswered",
            (None, 0) => "clean",
            (None, _) => "exceptions",
        }
        .to_owned(),
        lines,
        matched: (lines - count).max(0),
        exceptions: count,
        started_at,
        finished_at: now,
    };
    let fresh = state
        .stack
        .db
        .transaction(async |conn| {
            let mut fresh = Vec::new();
            for difference in &differences {
                if let Some(id) = store::raise(conn, difference, day, now).await? {
                    fresh.push((id, difference.clone()));
                }
            }
            store::replace_run(conn, &run).await?;
            Ok::<_, ReconciliationError>(fresh)
        })
        .await?;
    metrics::gauge!("payments_reconciliation_open", "provider" => provider.to_owned())
        .set(f64::from(u32::try_from(count).unwrap_or(u32::MAX)));
    state.stack.outbox.wake();
    for (id, difference) in fresh {
        tell(state, id, &difference).await;
    }
    Ok(count)
}

/// Tells the people named in the settings. The alarm itself is in event, metric and log already.
async fn tell(state: &AppState, id: Uuid, difference: &NewException) {
    use common_types::{Language, internal::integrations as wire};
    for recipient in state.alarm_recipients.iter() {
        let text = format!(
            "Reconciliation: {} at {} ({}): expected {}, found {} {}",
            difference.kind,
            difference.provider,
            difference.subject,
            difference.expected.unwrap_or_default(),
            difference.found.unwrap_or_default(),
            difference.currency.as_deref().unwrap_or_default(),
        );
        let message = wire::SendMessageRequest {
            idempotency_key: format!("payments:alarm:{id}:{recipient}"),
            channel: wire::Channel::Email,
            to: recipient.clone(),
            language: Language::En,
            subject: Some("Tabib: money differs".to_owned()),
            text,
            html: None,
            purpose: wire::MessagePurpose::Notification,
            template: None,
            mode: wire::DeliveryMode::Queued,
            organization_id: difference.organization_id,
            reference: Some(id.to_string()),
        };
        let sent: Result<wire::SendMessageResponse, _> = state
            .integrations
            .post_json("/internal/messages/", &message)
            .await;
        if let Err(error) = sent {
            tracing::warn!(exception = %id, %error, "an alarm was not sent as a message");
        }
    }
}
