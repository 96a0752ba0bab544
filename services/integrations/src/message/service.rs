//! Taking a message over: one row per key, then either a synchronous round or the queue.

use std::time::Duration;

use common_types::{
    PhoneNumber,
    internal::integrations::{Channel, DeliveryMode, SendMessageRequest},
};
use service_auth::tokens::{ct_eq, hmac_sha256};

use super::{
    deliver::{self, Limits, Round},
    error::MessageError,
    model::{self, Content, LEASE},
    store::{self, Change, MessageRow, NewMessage},
};
use crate::{AppState, providers::SendOutcome};

const MAX_TEXT: usize = 5_000;
const MAX_HTML: usize = 200_000;

fn invalid(field: &'static str, reason: &str) -> MessageError {
    MessageError::Invalid {
        field,
        reason: reason.to_owned(),
    }
}

/// Checks a request and brings its recipient to one spelling.
fn content_of(request: &SendMessageRequest) -> Result<Content, MessageError> {
    if request.idempotency_key.is_empty() || request.idempotency_key.len() > 255 {
        return Err(invalid(
            "idempotency_key",
            "1 to 255 characters are expected.",
        ));
    }
    if request.text.chars().count() > MAX_TEXT
        || request
            .html
            .as_ref()
            .is_some_and(|html| html.len() > MAX_HTML)
    {
        return Err(invalid("text", "The message is too long."));
    }
    if request.text.is_empty() && request.template.is_none() {
        return Err(invalid("text", "This field may not be blank."));
    }
    let to = match request.channel {
        Channel::Sms => match PhoneNumber::parse(&request.to) {
            Ok(phone) => phone.e164().to_owned(),
            Err(error) => return Err(invalid("to", &error.to_string())),
        },
        Channel::Email => {
            let address: Result<lettre::Address, _> = request.to.trim().parse();
            address
                .map_err(|_| invalid("to", "Enter a valid email address."))?
                .to_string()
        }
    };
    Ok(Content {
        to,
        subject: request.subject.clone(),
        text: request.text.clone(),
        html: request.html.clone(),
        template: request
            .template
            .as_ref()
            .map(|template| (template.key.clone(), template.tokens.clone())),
    })
}

/// A keyed digest of what the caller asked for: a plain one would let a six-digit code be found by trying.
fn fingerprint(state: &AppState, request: &SendMessageRequest) -> Vec<u8> {
    let body = serde_json::to_vec(request).unwrap_or_default();
    hmac_sha256(&state.fingerprint_key, &[b"integrations.messages", &body]).to_vec()
}

/// Takes a message over for `owner`. The same key and body give the first answer again.
///
/// # Errors
/// [`MessageError`].
pub(crate) async fn accept(
    state: &AppState,
    owner: &str,
    request: &SendMessageRequest,
) -> Result<MessageRow, MessageError> {
    let content = content_of(request)?;
    // Providers and templates of the settings must be there before the first message looks for them.
    state.ready().await?;
    let now = state.now();
    let id = uuid::Uuid::now_v7();
    let serialized = serde_json::to_vec(&content).map_err(anyhow::Error::from)?;
    let synchronous = request.mode == DeliveryMode::Synchronous;
    let request_hash = fingerprint(state, request);
    let new = NewMessage {
        id,
        owner: owner.to_owned(),
        idempotency_key: request.idempotency_key.clone(),
        request_hash: request_hash.clone(),
        organization_id: request.organization_id,
        channel: request.channel.as_str(),
        purpose: request.purpose.as_str(),
        mode: if synchronous { "synchronous" } else { "queued" },
        language: request.language.as_str(),
        recipient_masked: model::masked(request.channel, &content.to),
        content_sealed: Some(state.seal("messages", id, "content_sealed", &serialized)),
        reference: request.reference.clone(),
        state: if synchronous { "sending" } else { "queued" },
        due_at: Some(if synchronous { now + LEASE } else { now }),
        created_at: now,
    };
    let mut conn = state.stack.db.get().await?;
    let (row, new) = store::insert_message(&mut conn, new).await?;
    drop(conn);
    if !new {
        if !ct_eq(&row.request_hash, &request_hash) {
            return Err(MessageError::KeyReused);
        }
        if row.state == "sending" && row.mode == "synchronous" {
            return Err(MessageError::InFlight);
        }
        return Ok(row);
    }
    if !synchronous {
        return Ok(row);
    }
    // A caller that hangs up must not leave the outcome unrecorded, hence a task of its own.
    let task = tokio::spawn(send_now(state.clone(), row, content));
    task.await
        .map_err(|error| MessageError::Unexpected(error.into()))?
}

async fn send_now(
    state: AppState,
    row: MessageRow,
    content: Content,
) -> Result<MessageRow, MessageError> {
    let settings = &state.settings.messages;
    let limits = Limits {
        total: Duration::from_millis(settings.synchronous_total_ms),
        per_provider: Duration::from_millis(settings.per_provider_ms),
    };
    let round = deliver::send(&state, &row, &content, limits, None).await?;
    let change = change_of(&state, &round, |code, text| Change {
        error_code: Some(code),
        error_text: Some(text),
        wipe: true,
        ..Change::to("refused")
    });
    let updated = state
        .stack
        .db
        .transaction(async |conn| {
            Ok::<_, MessageError>(
                deliver::record(conn, &state, &row, &round, change.clone()).await?,
            )
        })
        .await?;
    state.stack.outbox.wake();
    // When the worker took over a very slow request, its word counts.
    updated.map_or_else(
        || {
            Ok(MessageRow {
                state: "unknown".to_owned(),
                ..row
            })
        },
        Ok,
    )
}

/// The change that a round's outcome makes; what a refusal makes is the caller's choice.
pub(crate) fn change_of(
    state: &AppState,
    round: &Round,
    refused: impl FnOnce(String, String) -> Change,
) -> Change {
    let now = state.now();
    let mut change = match &round.outcome {
        SendOutcome::Accepted {
            provider_message_id,
            cost,
            delivered,
        } => Change {
            provider_message_id: provider_message_id.clone(),
            cost_amount: *cost,
            due_at: (round.receipts && !delivered).then(|| now + chrono::TimeDelta::seconds(10)),
            wipe: true,
            ..Change::to(if *delivered { "delivered" } else { "sent" })
        },
        SendOutcome::Unknown { code } => Change {
            error_code: Some((*code).to_owned()),
            due_at: Some(now + chrono::TimeDelta::seconds(5)),
            ..Change::to("unknown")
        },
        SendOutcome::Refused { code, text, .. } => refused(code.clone(), text.clone()),
    };
    change.attempted = true;
    change.provider_slug = round
        .provider
        .as_ref()
        .map(|provider| provider.slug.clone());
    change
}
