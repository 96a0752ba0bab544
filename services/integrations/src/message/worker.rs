//! The worker's part: sends what is queued, settles what is unknown, asks for receipts. Several may run.

use std::time::Duration;

use anyhow::Context;
use common_types::internal::integrations::{Channel, MessagePurpose};
use futures_util::future::join_all;
use tokio_util::sync::CancellationToken;

use super::{
    deliver::{self, Limits, Round},
    error::MessageError,
    model::{self, Content},
    service::change_of,
    store::{self, Change, MessageRow},
};
use crate::{
    AppState,
    providers::{Receipt, SendOutcome},
};

/// A queued message may take its time.
const LIMITS: Limits = Limits {
    total: Duration::from_secs(20),
    per_provider: Duration::from_secs(10),
};

/// Works until cancelled.
pub(crate) async fn run(state: AppState, cancel: CancellationToken) {
    let pause = Duration::from_millis(state.settings.messages.poll_ms);
    while !cancel.is_cancelled() {
        match run_once(&state).await {
            Ok(0) => {}
            Ok(_) => continue,
            Err(error) => tracing::warn!(
                error = format!("{error:#}"),
                "the message queue could not be worked on"
            ),
        }
        tokio::select! {
            () = cancel.cancelled() => {}
            () = tokio::time::sleep(pause) => {}
        }
    }
}

/// Takes one batch; answers how many messages it held.
///
/// # Errors
/// When the database does not answer.
pub(crate) async fn run_once(state: &AppState) -> anyhow::Result<usize> {
    state.ready().await?;
    let (now, batch) = (state.now(), state.settings.messages.batch);
    let leased = state
        .stack
        .db
        .transaction(async |conn| {
            Ok::<_, service_db::DbError>(store::lease_due(conn, now, batch).await?)
        })
        .await?;
    let count = leased.len();
    join_all(leased.into_iter().map(|row| async move {
        let id = row.id;
        if let Err(error) = work(state, row).await {
            // The lease ends by itself and the message is taken again.
            tracing::warn!(message = %id, error = format!("{error:#}"), "a message could not be worked on");
        }
    }))
    .await;
    Ok(count)
}

async fn work(state: &AppState, row: MessageRow) -> anyhow::Result<()> {
    match row.state.as_str() {
        "queued" => send_queued(state, row).await,
        // `sending` is due again only when its process died.
        "unknown" | "sending" => settle_unknown(state, row).await,
        "sent" => ask_receipt(state, row).await,
        _ => {
            apply(
                state,
                &row,
                None,
                Change {
                    due_at: None,
                    ..Change::to(static_state(&row.state))
                },
            )
            .await
        }
    }
}

fn static_state(state: &str) -> &'static str {
    match state {
        "delivered" => "delivered",
        "refused" => "refused",
        _ => "failed",
    }
}

fn content(state: &AppState, row: &MessageRow) -> anyhow::Result<Option<Content>> {
    let Some(sealed) = &row.content_sealed else {
        return Ok(None);
    };
    let opened = state.open("messages", row.id, "content_sealed", sealed)?;
    Ok(Some(
        serde_json::from_str(&opened).context("a message's content")?,
    ))
}

fn too_old(state: &AppState, row: &MessageRow) -> bool {
    let lifetime = model::lifetime(
        deliver::purpose_of(row),
        state.settings.messages.give_up_hours,
    );
    state.now() - row.created_at > lifetime
}

fn failed(code: impl Into<String>) -> Change {
    Change {
        error_code: Some(code.into()),
        wipe: true,
        ..Change::to("failed")
    }
}

async fn send_queued(state: &AppState, row: MessageRow) -> anyhow::Result<()> {
    let Some(content) = content(state, &row)? else {
        return apply(state, &row, None, failed("content_lost")).await;
    };
    if too_old(state, &row) {
        let reason = row
            .error_code
            .clone()
            .unwrap_or_else(|| "expired".to_owned());
        return apply(state, &row, None, failed(reason)).await;
    }
    let mut conn = state.stack.db.get().await?;
    store::update_sending(&mut conn, row.id).await?;
    drop(conn);
    let round = deliver::send(state, &row, &content, LIMITS, None).await?;
    let change = queued_change(state, &row, &round);
    apply(state, &row, Some(round), change).await
}

/// A refusal with hope goes back into the queue with a growing pause.
fn queued_change(state: &AppState, row: &MessageRow, round: &Round) -> Change {
    let hope = matches!(
        round.outcome,
        SendOutcome::Refused {
            retryable: true,
            ..
        }
    );
    change_of(state, round, |code, text| {
        if hope {
            Change {
                error_code: Some(code),
                error_text: Some(text),
                due_at: Some(state.now() + model::retry_pause(row.attempts + 1)),
                ..Change::to("queued")
            }
        } else {
            Change {
                error_text: Some(text),
                ..failed(code)
            }
        }
    })
}

/// What is done about a message that may or may not have been sent (decision 25).
async fn settle_unknown(state: &AppState, row: MessageRow) -> anyhow::Result<()> {
    let Some(content) = content(state, &row)? else {
        return apply(state, &row, None, failed("outcome_unknown")).await;
    };
    if too_old(state, &row) {
        return apply(state, &row, None, failed("outcome_unknown")).await;
    }
    let carriers = state
        .registry
        .carriers(state, deliver::channel_of(&row))
        .await?;
    let repeatable = |slug: &str| {
        let provider = carriers.iter().find(|provider| provider.slug == slug);
        provider.is_some_and(|provider| deliver::repeatable(provider, state, &row, &content))
    };
    let at_least_once = deliver::purpose_of(&row) == MessagePurpose::Otp
        || deliver::channel_of(&row) == Channel::Email;
    let only = match row.provider_slug.as_deref() {
        // The provider recognises the repetition: sending again is how one learns the outcome.
        Some(tried) if repeatable(tried) => Some(tried.to_owned()),
        // The process died in its first try: whichever provider that was must recognise the repetition.
        None if carriers.iter().all(|provider| repeatable(&provider.slug)) => None,
        _ if at_least_once => None,
        _ => return apply(state, &row, None, failed("outcome_unknown")).await,
    };
    let round = deliver::send(state, &row, &content, LIMITS, only.as_deref()).await?;
    let mut change = queued_change(state, &row, &round);
    if change.state == "queued" {
        // Still unknown whether the first try arrived: only the same provider may be asked again.
        change = Change {
            due_at: Some(state.now() + model::retry_pause(row.attempts + 1)),
            attempted: true,
            error_code: change.error_code,
            ..Change::to("unknown")
        };
    } else if change.state == "unknown" {
        change.due_at = Some(state.now() + model::retry_pause(row.attempts + 1));
    }
    apply(state, &row, Some(round), change).await
}

async fn ask_receipt(state: &AppState, row: MessageRow) -> anyhow::Result<()> {
    let live = state.registry.live(state).await?;
    let client = row
        .provider_slug
        .as_deref()
        .and_then(|slug| live.iter().find(|provider| provider.slug == slug))
        .and_then(|provider| provider.messages(state, row.organization_id));
    let (Some(client), Some(id)) = (client, row.provider_message_id.clone()) else {
        return apply(state, &row, None, Change::to("sent")).await;
    };
    let asked = tokio::time::timeout(
        LIMITS.per_provider,
        client.receipts(std::slice::from_ref(&id)),
    )
    .await;
    let receipt = asked
        .ok()
        .flatten()
        .and_then(|receipts| receipts.first().copied());
    let change = match receipt {
        Some(Receipt::Delivered) => Change::to("delivered"),
        Some(Receipt::Failed) => failed("not_delivered"),
        Some(Receipt::Unknown | Receipt::Pending) | None => {
            let pause = model::receipt_pause(state.now() - row.sent_at.unwrap_or(row.created_at));
            Change {
                due_at: pause.map(|pause| state.now() + pause),
                ..Change::to("sent")
            }
        }
    };
    apply(state, &row, None, change).await
}

async fn apply(
    state: &AppState,
    row: &MessageRow,
    round: Option<Round>,
    change: Change,
) -> anyhow::Result<()> {
    state
        .stack
        .db
        .transaction(async |conn| {
            match &round {
                Some(round) => {
                    drop(deliver::record(conn, state, row, round, change.clone()).await?)
                }
                None => {
                    if let Some(updated) =
                        store::update_message(conn, row, change.clone(), state.now()).await?
                        && updated.state != row.state
                    {
                        deliver::announce(conn, state, &updated).await?;
                    }
                }
            }
            Ok::<_, MessageError>(())
        })
        .await?;
    state.stack.outbox.wake();
    Ok(())
}
