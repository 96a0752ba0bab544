//! Trying providers in their order, and recording what came of it.

use std::time::{Duration, Instant};

use common_types::{
    events::integrations::{MessageDelivered, MessageFailed},
    internal::integrations::{Channel, MessagePurpose},
};
use diesel_async::AsyncPgConnection;
use serde_json::json;
use service_events::outbox;
use uuid::Uuid;

use super::{
    model::Content,
    store::{self, Change, MessageRow, NewAttempt},
    template::{Prepared, prepare},
};
use crate::{
    AppState,
    log::store::{NewLog, insert_log},
    providers::{LiveProvider, Outgoing, SendOutcome, Template},
    state::SERVICE,
};

/// What a round over the providers gave.
pub(crate) struct Round {
    pub(crate) outcome: SendOutcome,
    pub(crate) provider: Option<LiveProvider>,
    pub(crate) attempts: Vec<NewAttempt>,
    /// Whether the taking provider gives receipts later.
    pub(crate) receipts: bool,
}

/// Time limits of a round.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) total: Duration,
    pub(crate) per_provider: Duration,
}

/// Sends through the first provider that takes it.
///
/// After an unknown outcome the next provider is tried only for a code (at-least-once); everything else stops there
/// (at-most-once, decision 25). `only` narrows the round to the provider whose outcome is unknown.
pub(crate) async fn send(
    state: &AppState,
    message: &MessageRow,
    content: &Content,
    limits: Limits,
    only: Option<&str>,
) -> anyhow::Result<Round> {
    let (channel, purpose) = (channel_of(message), purpose_of(message));
    let templates = match &content.template {
        Some((key, _)) => {
            let mut conn = state.stack.db.get().await?;
            store::list_template_values(&mut conn, message.organization_id, key).await?
        }
        None => Vec::new(),
    };
    let deadline = Instant::now() + limits.total;
    let mut attempts = Vec::new();
    let mut refused: Option<(SendOutcome, LiveProvider)> = None;
    let mut unknown: Option<(SendOutcome, LiveProvider)> = None;
    for provider in state.registry.carriers(state, channel).await? {
        if only.is_some_and(|slug| slug != provider.slug) {
            continue;
        }
        let Some(client) = provider.messages(state, message.organization_id) else {
            continue;
        };
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            break;
        }
        let prepared = prepare(&provider, content, &templates);
        let started = Instant::now();
        let outcome = match &prepared {
            Prepared::Ready { text, template } => {
                let outgoing = outgoing(message, channel, content, text, template.as_ref());
                let within = left.min(limits.per_provider);
                tokio::time::timeout(within, client.send(&outgoing))
                    .await
                    .unwrap_or(SendOutcome::Unknown { code: "timeout" })
            }
            Prepared::NoTemplate => SendOutcome::Refused {
                code: "template.unknown".to_owned(),
                text: "الگوی مورد نظر پیدا نشد".to_owned(),
                retryable: false,
            },
        };
        attempts.push(attempt(
            message.id,
            &provider,
            &outcome,
            started.elapsed(),
            state,
        ));
        match outcome {
            SendOutcome::Accepted { .. } => {
                let receipts = client.gives_receipts();
                return Ok(Round {
                    outcome,
                    provider: Some(provider),
                    attempts,
                    receipts,
                });
            }
            SendOutcome::Refused { .. } => refused = Some(worse(refused, outcome, provider)),
            SendOutcome::Unknown { .. } => {
                unknown = Some((outcome, provider));
                if purpose != MessagePurpose::Otp {
                    break;
                }
            }
        }
    }
    let (outcome, provider) = match (unknown, refused) {
        (Some((outcome, provider)), _) | (None, Some((outcome, provider))) => {
            (outcome, Some(provider))
        }
        (None, None) => {
            let code = "provider.none".to_owned();
            let text = "no provider carries this message".to_owned();
            (
                SendOutcome::Refused {
                    code,
                    text,
                    retryable: true,
                },
                None,
            )
        }
    };
    Ok(Round {
        outcome,
        provider,
        attempts,
        receipts: false,
    })
}

/// Of two refusals the one that leaves hope decides whether to try again; the words are the first provider's.
fn worse(
    known: Option<(SendOutcome, LiveProvider)>,
    new: SendOutcome,
    provider: LiveProvider,
) -> (SendOutcome, LiveProvider) {
    let hope = |outcome: &SendOutcome| {
        matches!(
            outcome,
            SendOutcome::Refused {
                retryable: true,
                ..
            }
        )
    };
    match known {
        None => (new, provider),
        Some((
            SendOutcome::Refused {
                code,
                text,
                retryable,
            },
            first,
        )) => {
            let retryable = retryable || hope(&new);
            (
                SendOutcome::Refused {
                    code,
                    text,
                    retryable,
                },
                first,
            )
        }
        Some(other) => other,
    }
}

fn outgoing<'a>(
    message: &MessageRow,
    channel: Channel,
    content: &'a Content,
    text: &'a str,
    template: Option<&'a Template>,
) -> Outgoing<'a> {
    Outgoing {
        message_id: message.id,
        channel,
        to: &content.to,
        subject: content.subject.as_deref(),
        text,
        html: content.html.as_deref(),
        template,
    }
}

/// Whether the provider of an unknown outcome recognises this message when it comes again.
pub(crate) fn repeatable(
    provider: &LiveProvider,
    state: &AppState,
    message: &MessageRow,
    content: &Content,
) -> bool {
    let template = content.template.as_ref().map(|(name, tokens)| Template {
        name: name.clone(),
        tokens: tokens.clone(),
    });
    let outgoing = outgoing(
        message,
        channel_of(message),
        content,
        &content.text,
        template.as_ref(),
    );
    provider
        .messages(state, message.organization_id)
        .is_some_and(|client| client.recognises_repetition(&outgoing))
}

fn attempt(
    message_id: Uuid,
    provider: &LiveProvider,
    outcome: &SendOutcome,
    took: Duration,
    state: &AppState,
) -> NewAttempt {
    let (word, error_code) = match outcome {
        SendOutcome::Accepted { .. } => ("accepted", None),
        SendOutcome::Refused { code, .. } => ("refused", Some(code.clone())),
        SendOutcome::Unknown { code } => ("unknown", Some((*code).to_owned())),
    };
    metrics::counter!("integrations_sends_total", "provider" => provider.slug.clone(), "outcome" => word).increment(1);
    NewAttempt {
        id: Uuid::now_v7(),
        message_id,
        provider_slug: provider.slug.clone(),
        outcome: word,
        error_code,
        duration_ms: i32::try_from(took.as_millis()).unwrap_or(i32::MAX),
        attempted_at: state.now(),
    }
}

/// Writes a round's attempts, log rows, the new state and its event, in the caller's transaction.
pub(crate) async fn record(
    conn: &mut AsyncPgConnection,
    state: &AppState,
    seen: &MessageRow,
    round: &Round,
    change: Change,
) -> diesel::QueryResult<Option<MessageRow>> {
    let now = state.now();
    let Some(row) = store::update_message(conn, seen, change, now).await? else {
        return Ok(None);
    };
    store::insert_attempts(conn, &round.attempts).await?;
    for tried in &round.attempts {
        let log = NewLog {
            provider_id: round
                .provider
                .as_ref()
                .filter(|p| p.slug == tried.provider_slug)
                .map(|p| p.id),
            organization_id: row.organization_id,
            request_data: json!({"receptor": row.recipient_masked, "channel": row.channel, "purpose": row.purpose}),
            response_data: json!({"outcome": tried.outcome, "provider": tried.provider_slug}),
            error_message: tried.error_code.clone().unwrap_or_default(),
            duration_ms: Some(tried.duration_ms),
            ..NewLog::new(
                if tried.outcome == "accepted" {
                    "info"
                } else {
                    "warning"
                },
                "messages",
                "send",
            )
        };
        insert_log(conn, log, now).await?;
    }
    announce(conn, state, &row).await?;
    Ok(Some(row))
}

/// Emits what the new state means to the owner.
pub(crate) async fn announce(
    conn: &mut AsyncPgConnection,
    state: &AppState,
    row: &MessageRow,
) -> diesel::QueryResult<()> {
    let now = state.now();
    match row.state.as_str() {
        "delivered" => {
            let event = MessageDelivered {
                message_id: row.id,
                aggregate_version: row.version,
                organization_id: row.organization_id,
                reference: row.reference.clone(),
                purpose: row.purpose.clone(),
                channel: row.channel.clone(),
                provider: row.provider_slug.clone().unwrap_or_default(),
                delivered_at: now,
            };
            outbox::emit(conn, SERVICE, &event, now).await?;
        }
        "failed" | "refused" => {
            let event = MessageFailed {
                message_id: row.id,
                aggregate_version: row.version,
                organization_id: row.organization_id,
                reference: row.reference.clone(),
                purpose: row.purpose.clone(),
                channel: row.channel.clone(),
                provider: row.provider_slug.clone(),
                reason: row
                    .error_code
                    .clone()
                    .unwrap_or_else(|| "unknown".to_owned()),
                failed_at: now,
            };
            outbox::emit(conn, SERVICE, &event, now).await?;
        }
        _ => {}
    }
    Ok(())
}

pub(crate) fn channel_of(row: &MessageRow) -> Channel {
    if row.channel == "email" {
        Channel::Email
    } else {
        Channel::Sms
    }
}

pub(crate) fn purpose_of(row: &MessageRow) -> MessagePurpose {
    match row.purpose.as_str() {
        "otp" => MessagePurpose::Otp,
        "credentials" => MessagePurpose::Credentials,
        _ => MessagePurpose::Notification,
    }
}
