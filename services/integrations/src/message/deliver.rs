//! Trying providers in their order.

use std::time::{Duration, Instant};

use chrono::TimeDelta;
use common_types::{
    Language, Money,
    internal::integrations::{Channel, MessagePurpose},
};
use uuid::Uuid;

use super::{
    model::Content,
    store::{self, MessageRow, NewAttempt, TemplateValue},
    template::{Prepared, prepare},
};
use crate::{
    AppState,
    providers::{
        Adapter, LiveProvider, MessageProvider, Outgoing, SendOutcome, Template, breaker::Rule,
    },
};

/// What a round over the providers gave.
pub(crate) struct Round {
    pub(crate) outcome: SendOutcome,
    pub(crate) provider: Option<LiveProvider>,
    pub(crate) attempts: Vec<NewAttempt>,
    /// What is known later of a message that was taken.
    pub(crate) receipts: Receipts,
    /// Parts of the text that was sent, when we know it.
    pub(crate) segments: Option<i32>,
}

/// How a provider tells what became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Receipts {
    None,
    /// It answers when asked.
    Asked,
    /// It tells by itself only.
    Posted,
}

impl Receipts {
    fn of(client: &dyn MessageProvider) -> Self {
        if client.gives_receipts() {
            Self::Asked
        } else if client.pushes_receipts() {
            Self::Posted
        } else {
            Self::None
        }
    }
}

/// Time limits of a round.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) total: Duration,
    pub(crate) per_provider: Duration,
}

/// The breaker's rule by the settings.
pub(crate) fn breaker_rule(state: &AppState) -> Rule {
    Rule {
        failures: state.settings.messages.breaker_failures,
        rest: TimeDelta::seconds(state.settings.messages.breaker_rest_seconds),
    }
}

/// Providers that may carry a message, in the order in which they are tried.
pub(crate) async fn candidates(
    state: &AppState,
    channel: Channel,
    to: &str,
    failed: &[String],
) -> anyhow::Result<Vec<LiveProvider>> {
    let first = state.settings.messages.first();
    let mut all = state.registry.carriers(state, channel).await?;
    all.retain(|provider| !failed.contains(&provider.slug));
    if channel != Channel::Email {
        all.retain(|provider| provider.settings.carries(to));
        // A stable sort: priority counts among the others.
        all.sort_by_key(|provider| first != Some(provider.adapter));
    }
    Ok(all)
}

/// Entries of the registry for a message's template.
pub(crate) async fn templates_of(
    state: &AppState,
    message: &MessageRow,
    content: &Content,
) -> anyhow::Result<Vec<TemplateValue>> {
    let Some((key, _)) = &content.template else {
        return Ok(Vec::new());
    };
    let mut conn = state.stack.db.get().await?;
    let values =
        store::list_template_values(&mut conn, message.organization_id, key, &message.language);
    Ok(values.await?)
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
    let language = language_of(message);
    let templates = templates_of(state, message, content).await?;
    let rule = breaker_rule(state);
    let breakers = &state.registry.kept.breakers;
    let deadline = Instant::now() + limits.total;
    let mut attempts = Vec::new();
    let mut refused: Option<(SendOutcome, LiveProvider)> = None;
    let mut unknown: Option<(SendOutcome, LiveProvider)> = None;
    let mut resting = false;
    for provider in candidates(state, channel, &content.to, &message.failed_providers).await? {
        if only.is_some_and(|slug| slug != provider.slug) {
            continue;
        }
        let Some(client) = provider.messages(state, message.organization_id) else {
            continue;
        };
        if channel == Channel::Voice && !client.speaks() {
            continue;
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            break;
        }
        // Kavenegar only speaks what a template names.
        let spoken = (channel == Channel::Voice && provider.adapter == Adapter::Kavenegar)
            .then(|| content.without_text());
        let prepared = prepare(
            &provider,
            channel,
            language,
            spoken.as_ref().unwrap_or(content),
            &templates,
        );
        let usable = matches!(prepared, Prepared::Ready { .. });
        if usable && !breakers.admits(&provider.slug, rule, state.now()) {
            resting = true;
            continue;
        }
        let started = Instant::now();
        let outcome = match &prepared {
            Prepared::Ready {
                text,
                subject,
                html,
                template,
            } => {
                let outgoing = Outgoing {
                    message_id: message.id,
                    channel,
                    to: &content.to,
                    subject: subject.as_deref().or(content.subject.as_deref()),
                    text,
                    html: html.as_deref(),
                    template: template.as_ref(),
                };
                let within = left.min(limits.per_provider);
                tokio::time::timeout(within, client.send(&outgoing))
                    .await
                    .unwrap_or(SendOutcome::Unknown { code: "timeout" })
            }
            Prepared::NoTemplate => no_template(),
        };
        if usable && breakers.note(&provider.slug, rule, &outcome, state.now()) {
            tracing::error!(provider = %provider.slug, "a provider fails again and again and rests");
        }
        attempts.push(attempt(
            message.id,
            &provider,
            &outcome,
            started.elapsed(),
            state,
        ));
        match outcome {
            SendOutcome::Accepted { .. } => {
                return Ok(Round {
                    outcome,
                    receipts: Receipts::of(client.as_ref()),
                    provider: Some(provider),
                    attempts,
                    segments: prepared.segments(),
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
        (Some((outcome, provider)), _) => (outcome, Some(provider)),
        // A provider that rests may take it later.
        (None, Some((outcome, provider))) => (hopeful(outcome, resting), Some(provider)),
        (None, None) => (nobody(resting), None),
    };
    Ok(Round {
        outcome,
        provider,
        attempts,
        receipts: Receipts::None,
        segments: None,
    })
}

fn no_template() -> SendOutcome {
    SendOutcome::Refused {
        code: "template.unknown".to_owned(),
        text: "الگوی مورد نظر پیدا نشد".to_owned(),
        retryable: false,
    }
}

fn nobody(resting: bool) -> SendOutcome {
    let (code, text) = if resting {
        (
            "provider.resting",
            "every provider of this message failed lately",
        )
    } else {
        ("provider.none", "no provider carries this message")
    };
    SendOutcome::Refused {
        code: code.to_owned(),
        text: text.to_owned(),
        retryable: true,
    }
}

fn hopeful(outcome: SendOutcome, hope: bool) -> SendOutcome {
    match outcome {
        SendOutcome::Refused {
            code,
            text,
            retryable,
        } => SendOutcome::Refused {
            code,
            text,
            retryable: retryable || hope,
        },
        other => other,
    }
}

/// Of two refusals the one that leaves hope decides whether to try again; the words are the first provider's.
fn worse(
    known: Option<(SendOutcome, LiveProvider)>,
    new: SendOutcome,
    provider: LiveProvider,
) -> (SendOutcome, LiveProvider) {
    let hope = matches!(
        new,
        SendOutcome::Refused {
            retryable: true,
            ..
        }
    );
    match known {
        None => (new, provider),
        Some((first, owner)) => (hopeful(first, hope), owner),
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
    let outgoing = Outgoing {
        message_id: message.id,
        channel: channel_of(message),
        to: &content.to,
        subject: content.subject.as_deref(),
        text: &content.text,
        html: content.html.as_deref(),
        template: template.as_ref(),
    };
    provider
        .messages(state, message.organization_id)
        .is_some_and(|client| client.recognises_repetition(&outgoing))
}

pub(crate) fn attempt(
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

/// What a taken message costs: the provider's word, else its price per segment.
pub(crate) fn cost_of(
    provider: Option<&LiveProvider>,
    said: Option<Money>,
    segments: i32,
) -> Option<Money> {
    said.or_else(|| {
        let settings = &provider?.settings;
        let currency = settings.currency.unwrap_or(common_types::Currency::Irr);
        let amount = settings.segment_price?.checked_mul(i64::from(segments))?;
        Some(Money::new(amount, currency))
    })
}

pub(crate) fn channel_of(row: &MessageRow) -> Channel {
    match row.channel.as_str() {
        "email" => Channel::Email,
        "voice" => Channel::Voice,
        _ => Channel::Sms,
    }
}

pub(crate) fn purpose_of(row: &MessageRow) -> MessagePurpose {
    match row.purpose.as_str() {
        "otp" => MessagePurpose::Otp,
        "credentials" => MessagePurpose::Credentials,
        _ => MessagePurpose::Notification,
    }
}

fn language_of(row: &MessageRow) -> Language {
    row.language.parse().unwrap_or(Language::Fa)
}
