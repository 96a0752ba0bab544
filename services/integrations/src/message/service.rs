//! Taking a message over: one row per key, then either a synchronous round or the queue.

use std::{collections::HashMap, time::Duration};

use common_types::{
    PhoneNumber,
    internal::integrations::{Channel, DeliveryMode, MessagePurpose, SendMessageRequest},
};
use diesel_async::AsyncPgConnection;
use service_auth::tokens::{ct_eq, hmac_sha256};
use uuid::Uuid;

use super::{
    deliver::{self, Limits, Receipts, Round},
    error::MessageError,
    model::{self, Content, LEASE},
    opt_out, organization, record, segments,
    store::{self, Change, MessageRow, NewMessage},
};
use crate::{AppState, providers::SendOutcome};

const MAX_TEXT: usize = 5_000;
const MAX_HTML: usize = 200_000;
/// Words for a text that its receiver does not want.
pub(crate) const OPTED_OUT: &str = "گیرنده دریافت پیامک را لغو کرده است";

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
    if request.channel == Channel::Voice && request.purpose != MessagePurpose::Otp {
        return Err(invalid("channel", "Only codes are spoken."));
    }
    let to = match request.channel {
        Channel::Sms | Channel::Voice => match PhoneNumber::parse(&request.to) {
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

fn new_message(
    state: &AppState,
    owner: &str,
    request: &SendMessageRequest,
    content: &Content,
    batch_id: Option<Uuid>,
) -> Result<NewMessage, MessageError> {
    let (now, id) = (state.now(), Uuid::now_v7());
    let synchronous = request.mode == DeliveryMode::Synchronous;
    let serialized = serde_json::to_vec(content).map_err(anyhow::Error::from)?;
    Ok(NewMessage {
        id,
        owner: owner.to_owned(),
        idempotency_key: request.idempotency_key.clone(),
        request_hash: fingerprint(state, request),
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
        segments: segments::parts(&content.text),
        batch_id,
    })
}

/// The organisation's rules for new messages that are alike: when they go out, and whether they still may.
async fn admit(
    conn: &mut AsyncPgConnection,
    state: &AppState,
    request: &SendMessageRequest,
    (count, parts): (i64, i64),
) -> Result<Option<chrono::DateTime<chrono::Utc>>, MessageError> {
    if request.channel != Channel::Sms {
        return Ok(None);
    }
    let urgent = request.purpose != MessagePurpose::Notification;
    let rules = organization::rules(conn, state, request.organization_id).await?;
    if let Some(id) = request.organization_id {
        let limit = (!urgent).then_some(rules.monthly_segments);
        if !organization::count(conn, id, state.now(), (count, parts), limit).await? {
            return Err(MessageError::QuotaSpent);
        }
    }
    // Somebody waits for a synchronous answer: it is for them to know the hour.
    let patient = !urgent && request.mode == DeliveryMode::Queued;
    Ok(rules
        .quiet
        .filter(|_| patient)
        .and_then(|quiet| quiet.ends(state.now())))
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
    let synchronous = request.mode == DeliveryMode::Synchronous;
    let new = new_message(state, owner, request, &content, None)?;
    let request_hash = new.request_hash.clone();
    let parts = i64::from(new.segments);
    let (row, new) = state
        .stack
        .db
        .transaction(async |conn| {
            let (row, fresh) = store::insert_message(conn, new.clone()).await?;
            if !fresh {
                return Ok((row, false));
            }
            if opt_out::respects(request.channel, request.purpose)
                && !opt_out::among(conn, std::slice::from_ref(&content.to))
                    .await?
                    .is_empty()
            {
                let row = refuse_unwanted(conn, state, row).await?;
                return Ok((row, false));
            }
            let row = match admit(conn, state, request, (1, parts)).await? {
                Some(morning) => store::postpone(conn, row.id, morning).await?,
                None => row,
            };
            Ok::<_, MessageError>((row, true))
        })
        .await?;
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

/// A text that its receiver does not want ends where it begins.
async fn refuse_unwanted(
    conn: &mut AsyncPgConnection,
    state: &AppState,
    row: MessageRow,
) -> Result<MessageRow, MessageError> {
    let result = record::Result {
        change: Change {
            error_code: Some(opt_out::CODE.to_owned()),
            error_text: Some(OPTED_OUT.to_owned()),
            wipe: true,
            ..Change::to("refused")
        },
        row,
        round: None,
    };
    let refused = record::record(conn, state, &result).await?;
    Ok(refused.unwrap_or(result.row))
}

/// Takes many queued texts of one person over, all or none. The same keys and bodies give the first rows again.
///
/// # Errors
/// [`MessageError`]; nothing is taken then.
pub(crate) async fn accept_many(
    state: &AppState,
    owner: &str,
    requests: &[SendMessageRequest],
) -> Result<Vec<MessageRow>, MessageError> {
    let Some(first) = requests.first() else {
        return Ok(Vec::new());
    };
    state.ready().await?;
    let batch_id = Some(Uuid::now_v7());
    let mut new = Vec::with_capacity(requests.len());
    let mut phones = Vec::with_capacity(requests.len());
    for request in requests {
        let content = content_of(request)?;
        new.push(new_message(state, owner, request, &content, batch_id)?);
        phones.push(content.to);
    }
    let keys: Vec<String> = new.iter().map(|one| one.idempotency_key.clone()).collect();
    let hashes: HashMap<String, Vec<u8>> = new
        .iter()
        .map(|one| (one.idempotency_key.clone(), one.request_hash.clone()))
        .collect();
    let phone_of: HashMap<Uuid, String> =
        new.iter().map(|one| one.id).zip(phones.clone()).collect();
    state
        .stack
        .db
        .transaction(async |conn| {
            let inserted = store::insert_messages(conn, new.clone()).await?;
            let listed = opt_out::among(conn, &phones).await?;
            let (unwanted, wanted): (Vec<_>, Vec<_>) = inserted.into_iter().partition(|row| {
                phone_of
                    .get(&row.id)
                    .is_some_and(|phone| listed.contains(phone))
            });
            for row in unwanted {
                refuse_unwanted(conn, state, row).await?;
            }
            if !wanted.is_empty() {
                let parts = wanted.iter().map(|row| i64::from(row.segments)).sum();
                let count = i64::try_from(wanted.len()).unwrap_or(i64::MAX);
                if let Some(morning) = admit(conn, state, first, (count, parts)).await? {
                    let ids: Vec<Uuid> = wanted.iter().map(|row| row.id).collect();
                    store::postpone_all(conn, &ids, morning).await?;
                }
            }
            let rows = store::list_by_keys(conn, owner, &keys).await?;
            let same = rows.iter().all(|row| {
                let known = hashes.get(&row.idempotency_key);
                known.is_some_and(|hash| ct_eq(hash, &row.request_hash))
            });
            if !same {
                return Err(MessageError::KeyReused);
            }
            Ok(rows)
        })
        .await
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
    let change = change_of(&state, &row, &round, |code, text| Change {
        error_code: Some(code),
        error_text: Some(text),
        wipe: true,
        ..Change::to("refused")
    });
    let result = record::Result {
        row: row.clone(),
        round: Some(round),
        change,
    };
    let updated = state
        .stack
        .db
        .transaction(async |conn| {
            Ok::<_, MessageError>(record::record(conn, &state, &result).await?)
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
    row: &MessageRow,
    round: &Round,
    refused: impl FnOnce(String, String) -> Change,
) -> Change {
    let now = state.now();
    let segments = round.segments.unwrap_or(row.segments);
    let mut change = match &round.outcome {
        SendOutcome::Accepted {
            provider_message_id,
            cost,
            delivered,
        } => {
            let cost = deliver::cost_of(round.provider.as_ref(), *cost, segments);
            // As long as it may still have to go through another provider, its content is kept.
            let minutes = state.settings.messages.failover_minutes;
            let window = model::failover_window(deliver::purpose_of(row), minutes);
            let due_at = match round.receipts {
                Receipts::Asked => Some(now + chrono::TimeDelta::seconds(10)),
                Receipts::Posted => Some((row.created_at + window).max(now)),
                Receipts::None => None,
            }
            .filter(|_| !delivered);
            Change {
                provider_message_id: provider_message_id.clone(),
                cost_amount: cost.map(|cost| cost.amount),
                cost_currency: cost.map(|cost| cost.currency.code()),
                due_at,
                wipe: due_at.is_none(),
                segments: Some(segments),
                ..Change::to(if *delivered { "delivered" } else { "sent" })
            }
        }
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
