//! Delivery receipts, asked for or posted: delivered ends a message, a failure sends it through the next provider.

use std::collections::BTreeMap;

use futures_util::future::join_all;
use uuid::Uuid;

use super::{
    deliver, model,
    record::Result,
    store::{Change, MessageRow},
    worker::{self, only},
};
use crate::{AppState, providers::Receipt};

/// Identifiers of one call (Kavenegar: 414 beyond).
const MOST: usize = 500;

/// Asks the providers of taken messages what became of them.
pub(super) async fn ask(state: &AppState, rows: Vec<MessageRow>) -> anyhow::Result<Vec<Result>> {
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let live = state.registry.live(state).await?;
    let mut groups: BTreeMap<(String, Option<Uuid>), Vec<MessageRow>> = BTreeMap::new();
    for row in rows {
        let slug = row.provider_slug.clone().unwrap_or_default();
        groups
            .entry((slug, row.organization_id))
            .or_default()
            .push(row);
    }
    let asked = groups.into_iter().map(|((slug, organization), rows)| {
        let provider = live.iter().find(|provider| provider.slug == slug);
        let client = provider.and_then(|provider| provider.messages(state, organization));
        async move {
            let mut answers = Vec::with_capacity(rows.len());
            let asks = client
                .as_ref()
                .is_some_and(|client| client.gives_receipts());
            for part in rows.chunks(MOST) {
                let ids: Vec<String> = part
                    .iter()
                    .map(|row| row.provider_message_id.clone().unwrap_or_default())
                    .collect();
                let receipts = match &client {
                    Some(client) if asks => {
                        let call = client.receipts(&ids);
                        let within = worker::LIMITS.per_provider;
                        tokio::time::timeout(within, call).await.ok().flatten()
                    }
                    _ => None,
                };
                for (index, row) in part.iter().enumerate() {
                    let known = receipts.as_ref().and_then(|all| all.get(index)).copied();
                    answers.push(if asks && row.provider_message_id.is_some() {
                        apply(state, row.clone(), known.unwrap_or(Receipt::Pending)).await
                    } else {
                        // Nobody can be asked, and the time in which it could be sent elsewhere is over.
                        Ok(only(row.clone(), forgotten()))
                    });
                }
            }
            answers.into_iter().collect::<anyhow::Result<Vec<Result>>>()
        }
    });
    let mut results = Vec::new();
    for group in join_all(asked).await {
        results.extend(group?);
    }
    Ok(results)
}

/// What a provider said when it was asked about one text.
pub(super) enum Asked {
    /// What is to be written.
    Answered(Box<Result>),
    /// It did not answer in time.
    Silent,
    /// It has no answer to such a question.
    Never,
}

/// Asks the provider of one taken message at once.
///
/// # Errors
/// When the database does not answer or the content cannot be opened.
pub(super) async fn ask_now(state: &AppState, row: MessageRow) -> anyhow::Result<Asked> {
    let live = state.registry.live(state).await?;
    let slug = row.provider_slug.clone().unwrap_or_default();
    let client = live
        .iter()
        .find(|provider| provider.slug == slug)
        .and_then(|provider| provider.messages(state, row.organization_id))
        .filter(|client| client.gives_receipts());
    let (Some(client), Some(id)) = (client, row.provider_message_id.clone()) else {
        return Ok(Asked::Never);
    };
    let ids = [id];
    let call = client.receipts(&ids);
    let answered = tokio::time::timeout(worker::LIMITS.per_provider, call).await;
    let Some(receipts) = answered.ok().flatten() else {
        return Ok(Asked::Silent);
    };
    let receipt = receipts.first().copied().unwrap_or(Receipt::Unknown);
    Ok(Asked::Answered(Box::new(apply(state, row, receipt).await?)))
}

fn forgotten() -> Change {
    Change {
        wipe: true,
        ..Change::to("sent")
    }
}

/// What a receipt means for a taken message.
///
/// # Errors
/// When the database does not answer or the content cannot be opened.
pub(super) async fn apply(
    state: &AppState,
    row: MessageRow,
    receipt: Receipt,
) -> anyhow::Result<Result> {
    let (now, purpose) = (state.now(), deliver::purpose_of(&row));
    let minutes = state.settings.messages.failover_minutes;
    let in_time = now - row.created_at <= model::failover_window(purpose, minutes);
    let change = match receipt {
        Receipt::Delivered => Change {
            wipe: true,
            ..Change::to("delivered")
        },
        Receipt::Failed => {
            let content = worker::content(state, &row)?.filter(|_| in_time);
            let mut failed = row.failed_providers.clone();
            failed.extend(row.provider_slug.clone());
            let others = match &content {
                Some(content) => {
                    deliver::candidates(state, deliver::channel_of(&row), &content.to, &failed)
                        .await?
                }
                None => Vec::new(),
            };
            let elsewhere = others
                .iter()
                .any(|provider| provider.messages(state, row.organization_id).is_some());
            let change = if elsewhere {
                Change {
                    error_code: Some("not_delivered".to_owned()),
                    due_at: Some(now),
                    ..Change::to("queued")
                }
            } else {
                worker::failed("not_delivered")
            };
            Change {
                failed_provider: row.provider_slug.clone(),
                ..change
            }
        }
        Receipt::Unknown | Receipt::Pending => {
            let pause = model::receipt_pause(now - row.sent_at.unwrap_or(row.created_at));
            Change {
                due_at: pause.map(|pause| now + pause),
                wipe: !in_time || pause.is_none(),
                ..Change::to("sent")
            }
        }
    };
    Ok(only(row, change))
}
