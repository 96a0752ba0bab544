//! The worker's part: sends what is queued, settles what is unknown, asks for receipts. Several may run, and each has
//! several batches in hand.

use std::{collections::HashSet, time::Duration};

use anyhow::Context;
use chrono::{DateTime, Utc};
use common_types::internal::integrations::{Channel, MessagePurpose};
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use futures_util::future::join_all;
use tokio_util::sync::CancellationToken;

use super::{
    bulk,
    deliver::{self, Limits, Round},
    error::MessageError,
    model::{self, Content},
    opt_out, receipt,
    record::{self, Result},
    service::change_of,
    store::{self, Change, MessageRow},
};
use crate::{AppState, providers::SendOutcome, schema::sms_inbound};

/// A queued message may take its time.
pub(super) const LIMITS: Limits = Limits {
    total: Duration::from_secs(20),
    per_provider: Duration::from_secs(10),
};

/// Works until cancelled.
pub(crate) async fn run(state: AppState, cancel: CancellationToken) {
    let lanes = (0..state.settings.messages.lanes).map(|_| lane(&state, &cancel));
    join_all(lanes).await;
}

async fn lane(state: &AppState, cancel: &CancellationToken) {
    let pause = Duration::from_millis(state.settings.messages.poll_ms);
    while !cancel.is_cancelled() {
        match run_once(state).await {
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
/// When the database does not answer; what was sent meanwhile is settled after its lease.
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
    if count == 0 {
        return Ok(0);
    }
    let (mut queued, mut sent, mut unknown) = (Vec::new(), Vec::new(), Vec::new());
    for row in leased {
        match row.state.as_str() {
            "queued" => queued.push(row),
            "sent" => sent.push(row),
            // `sending` is due again only when its process died.
            _ => unknown.push(row),
        }
    }
    let (first, second, third) = tokio::join!(
        send_queued(state, queued),
        receipt::ask(state, sent),
        join_all(unknown.into_iter().map(|row| settle(state, row))),
    );
    let mut results = first?;
    results.extend(second?);
    // The lease of a message that could not be worked on ends by itself, and it is taken again.
    results.extend(third.into_iter().flatten());
    state
        .stack
        .db
        .transaction(async |conn| {
            record::record_all(conn, state, &results).await?;
            Ok::<_, MessageError>(())
        })
        .await?;
    state.stack.outbox.wake();
    Ok(count)
}

/// Drops what receivers wrote before `before`; who opted out stays on the list.
///
/// # Errors
/// When the database does not answer.
pub(crate) async fn forget_inbound(
    conn: &mut AsyncPgConnection,
    before: DateTime<Utc>,
) -> QueryResult<usize> {
    diesel::delete(sms_inbound::table.filter(sms_inbound::received_at.lt(before)))
        .execute(conn)
        .await
}

pub(super) fn content(state: &AppState, row: &MessageRow) -> anyhow::Result<Option<Content>> {
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

pub(super) fn failed(code: impl Into<String>) -> Change {
    Change {
        error_code: Some(code.into()),
        wipe: true,
        ..Change::to("failed")
    }
}

pub(super) fn only(row: MessageRow, change: Change) -> Result {
    Result {
        row,
        round: None,
        change,
    }
}

/// Opens what is queued, drops what nobody wants any more, and sends the rest.
async fn send_queued(state: &AppState, rows: Vec<MessageRow>) -> anyhow::Result<Vec<Result>> {
    let (mut results, mut open) = (Vec::new(), Vec::new());
    for row in rows {
        if too_old(state, &row) {
            let reason = row
                .error_code
                .clone()
                .unwrap_or_else(|| "expired".to_owned());
            results.push(only(row, failed(reason)));
            continue;
        }
        match content(state, &row) {
            Ok(Some(content)) => open.push((row, content)),
            Ok(None) => results.push(only(row, failed("content_lost"))),
            Err(error) => {
                tracing::error!(message = %row.id, error = format!("{error:#}"), "a message cannot be opened");
                results.push(only(row, failed("content_lost")));
            }
        }
    }
    // Somebody may have written STOP since it was queued.
    let unwanted = unwanted(state, &open).await?;
    let (refused, wanted): (Vec<_>, Vec<_>) = open.into_iter().partition(|(row, content)| {
        opt_out::respects(deliver::channel_of(row), deliver::purpose_of(row))
            && unwanted.contains(&content.to)
    });
    results.extend(
        refused
            .into_iter()
            .map(|(row, _)| only(row, failed(opt_out::CODE))),
    );
    let (together, single) = bulk::split(state, wanted).await?;
    let (first, second) = tokio::join!(
        join_all(together.into_iter().map(|group| bulk::send(state, group))),
        join_all(
            single
                .into_iter()
                .map(|(row, content)| send_one(state, row, content))
        ),
    );
    results.extend(first.into_iter().flatten());
    results.extend(second.into_iter().flatten());
    Ok(results)
}

async fn unwanted(
    state: &AppState,
    open: &[(MessageRow, Content)],
) -> anyhow::Result<HashSet<String>> {
    let phones: Vec<String> = open
        .iter()
        .filter(|(row, _)| opt_out::respects(deliver::channel_of(row), deliver::purpose_of(row)))
        .map(|(_, content)| content.to.clone())
        .collect();
    if phones.is_empty() {
        return Ok(HashSet::new());
    }
    let mut conn = state.stack.db.get().await?;
    Ok(opt_out::among(&mut conn, &phones).await?)
}

/// One message of its own; `None` when the database failed in between.
pub(super) async fn send_one(
    state: &AppState,
    row: MessageRow,
    content: Content,
) -> Option<Result> {
    match deliver::send(state, &row, &content, LIMITS, None).await {
        Ok(round) => {
            let change = queued_change(state, &row, &round);
            Some(Result {
                row,
                round: Some(round),
                change,
            })
        }
        Err(error) => {
            tracing::warn!(message = %row.id, error = format!("{error:#}"), "a message could not be worked on");
            None
        }
    }
}

/// A refusal with hope goes back into the queue with a growing pause.
pub(super) fn queued_change(state: &AppState, row: &MessageRow, round: &Round) -> Change {
    let hope = matches!(
        round.outcome,
        SendOutcome::Refused {
            retryable: true,
            ..
        }
    );
    change_of(state, row, round, |code, text| {
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

async fn settle(state: &AppState, row: MessageRow) -> Option<Result> {
    let id = row.id;
    match settle_unknown(state, row).await {
        Ok(result) => Some(result),
        Err(error) => {
            tracing::warn!(message = %id, error = format!("{error:#}"), "a message could not be settled");
            None
        }
    }
}

/// What is done about a message that may or may not have been sent (decision 25).
async fn settle_unknown(state: &AppState, row: MessageRow) -> anyhow::Result<Result> {
    let Some(content) = content(state, &row)? else {
        return Ok(only(row, failed("outcome_unknown")));
    };
    if too_old(state, &row) {
        return Ok(only(row, failed("outcome_unknown")));
    }
    let channel = deliver::channel_of(&row);
    let carriers = deliver::candidates(state, channel, &content.to, &row.failed_providers).await?;
    let repeatable = |slug: &str| {
        let provider = carriers.iter().find(|provider| provider.slug == slug);
        provider.is_some_and(|provider| deliver::repeatable(provider, state, &row, &content))
    };
    let at_least_once =
        deliver::purpose_of(&row) == MessagePurpose::Otp || channel == Channel::Email;
    let tried = row.provider_slug.clone();
    let narrowed = match tried.as_deref() {
        // The provider recognises the repetition: sending again is how one learns the outcome.
        Some(slug) if repeatable(slug) => tried,
        // The process died in its first try: whichever provider that was must recognise the repetition.
        None if carriers.iter().all(|provider| repeatable(&provider.slug)) => None,
        _ if at_least_once => None,
        _ => return Ok(only(row, failed("outcome_unknown"))),
    };
    let round = deliver::send(state, &row, &content, LIMITS, narrowed.as_deref()).await?;
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
    Ok(Result {
        row,
        round: Some(round),
        change,
    })
}
