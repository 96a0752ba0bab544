use chrono::TimeDelta;
use futures_util::StreamExt;
use serde_json::json;
use service_db::crash_point;
use uuid::Uuid;

use super::{
    Decision, Payment, PaymentError, Status, decide, insert, model::next_check, settle, store,
    transitions,
};
use crate::{
    AppState,
    providers::{Asked, Opened, Order, PaymentProvider, ProviderError, Report, ReportedState},
};

/// Questions of one round, and how many at the same time.
const ROUND: i64 = 32;
const AT_ONCE: usize = 8;
/// Nobody else asks about a claimed payment for so long; longer than a provider may take.
const LEASE: TimeDelta = TimeDelta::seconds(40);

/// Asks the provider what became of a payment and does what follows: books it, ends it, waits, or
/// has a person look. Answers the payment as it stands afterwards.
///
/// May run any number of times, in parallel, for any reason: webhook, callback, browser, poller.
///
/// # Errors
/// [`PaymentError::NotFound`], or when the database does not answer. A provider that does not
/// answer is no error: the payment stays as it is and is asked about again.
pub async fn check(state: &AppState, id: Uuid) -> Result<Payment, PaymentError> {
    let payment = load(state, id).await?;
    if payment.status.has_money() || payment.status == Status::Refunded {
        return Ok(payment);
    }
    let provider = state
        .providers
        .get(&payment.provider)
        .ok_or_else(|| anyhow::anyhow!("no provider {}", payment.provider))?;
    let payment = match &payment.provider_reference {
        Some(_) => payment,
        None => match recover(state, provider.as_ref(), &payment).await? {
            Some(payment) => payment,
            None => return load(state, id).await,
        },
    };
    let word = provider.status(asked(&payment)).await;
    crash_point!("check.after_status");
    match word {
        Ok(report) => match closed(provider.as_ref(), &payment, &report, state.now()).await {
            Ok(true) => apply(state, &payment, &report).await?,
            Ok(false) => ask_again_soon(state, &payment).await?,
            Err(error) => unanswered(state, &payment, &error).await?,
        },
        Err(error) => unanswered(state, &payment, &error).await?,
    }
    state.stack.outbox.wake();
    load(state, id).await
}

/// Asks about every payment whose question is due; answers how many.
///
/// # Errors
/// When the database does not answer.
pub async fn run_due_checks(state: &AppState) -> Result<usize, PaymentError> {
    let now = state.now();
    let mut conn = state.stack.db.get().await?;
    let due = transitions::claim_due(&mut conn, (now, now + LEASE), ROUND).await?;
    drop(conn);
    let asked = futures_util::stream::iter(&due).for_each_concurrent(AT_ONCE, |id| async move {
        if let Err(error) = check(state, *id).await {
            tracing::warn!(payment = %id, %error, "payment not checked");
        }
    });
    asked.await;
    Ok(due.len())
}

/// Before a payment is given up, the provider is told that nobody may pay it any more. `false` when
/// somebody has paid in this very moment: the provider is asked again instead.
async fn closed(
    provider: &dyn PaymentProvider,
    payment: &Payment,
    report: &Report,
    now: chrono::DateTime<chrono::Utc>,
) -> Result<bool, ProviderError> {
    let gives_up = decide(payment, report, now) == Decision::End(Status::Expired);
    if !gives_up || report.state == ReportedState::Expired {
        return Ok(true);
    }
    match provider.close(asked(payment)).await {
        Ok(()) => Ok(true),
        Err(ProviderError::Refused(_)) => Ok(false),
        Err(unknown) => Err(unknown),
    }
}

async fn ask_again_soon(state: &AppState, payment: &Payment) -> Result<(), PaymentError> {
    let mut conn = state.stack.db.get().await?;
    let next = next_check(0, true, true, state.now());
    transitions::note_check(&mut conn, payment.id, next).await?;
    Ok(())
}

/// Our row's words about a payment, for its provider.
pub(crate) fn asked(payment: &Payment) -> Asked<'_> {
    Asked {
        id: payment.id,
        reference: payment.provider_reference.as_deref().unwrap_or_default(),
        price: payment.price,
        hints: &payment.hints,
    }
}

/// What the provider was asked to open.
pub(super) fn order(payment: &Payment) -> Order {
    Order {
        id: payment.id,
        price: payment.price,
        description: payment.description.clone(),
    }
}

async fn load(state: &AppState, id: Uuid) -> Result<Payment, PaymentError> {
    let mut conn = state.stack.db.get().await?;
    store::find_payment(&mut conn, id)
        .await?
        .ok_or(PaymentError::NotFound)
}

/// A start whose answer was lost: the provider may have opened it all the same.
async fn recover(
    state: &AppState,
    provider: &dyn PaymentProvider,
    payment: &Payment,
) -> Result<Option<Payment>, PaymentError> {
    match provider.find(&order(payment)).await {
        Ok(Some(opened)) => attach(state, payment, &opened).await,
        Ok(None) if state.now() >= payment.expires_at && payment.status.is_open() => {
            let now = state.now();
            let ended = state.stack.db.transaction(async |conn| {
                settle::end(conn, payment, (Status::Expired, "never_opened"), None, now).await
            });
            ended.await?;
            state.stack.outbox.wake();
            Ok(None)
        }
        Ok(None) => {
            let next = payment
                .status
                .is_open()
                .then(|| next_check(payment.checks, true, true, state.now()));
            let mut conn = state.stack.db.get().await?;
            transitions::note_check(&mut conn, payment.id, next.flatten()).await?;
            Ok(None)
        }
        Err(error) => {
            unanswered(state, payment, &error).await?;
            Ok(None)
        }
    }
}

async fn attach(
    state: &AppState,
    payment: &Payment,
    opened: &Opened,
) -> Result<Option<Payment>, PaymentError> {
    let now = state.now();
    let mut conn = state.stack.db.get().await?;
    let next = next_check(0, true, false, now);
    Ok(transitions::mark_opened(
        &mut conn,
        (payment.id, &payment.provider),
        opened,
        next,
        now,
    )
    .await?)
}

async fn apply(state: &AppState, payment: &Payment, report: &Report) -> Result<(), PaymentError> {
    let now = state.now();
    let decision = decide(payment, report, now);
    state
        .stack
        .db
        .transaction(async |conn| {
            match &decision {
                Decision::Settle { tracking_code } => {
                    settle::settle(conn, payment, tracking_code.as_deref(), now).await?;
                }
                Decision::End(status) => {
                    let next = next_check(0, false, false, now);
                    settle::end(conn, payment, (*status, "provider"), next, now).await?;
                }
                Decision::Wait => {
                    let next = next_check(payment.checks, payment.status.is_open(), false, now);
                    transitions::note_check(conn, payment.id, next).await?;
                }
                Decision::Review(reason) => {
                    transitions::mark_review(conn, payment.id, reason, now).await?;
                    let details = json!({ "outcome": reason, "reported_amount": report.amount });
                    insert::insert_log(conn, payment.id, "verification", details, now).await?;
                }
            }
            crash_point!("check.before_commit");
            Ok::<_, PaymentError>(())
        })
        .await?;
    crash_point!("check.after_commit");
    if let Decision::Review(reason) = decision {
        metrics::counter!("payments_review_total", "reason" => reason).increment(1);
        tracing::error!(alarm = "payments.review", payment = %payment.id, reason,
            "the provider contradicts our payment: nothing was booked");
    }
    Ok(())
}

/// Unknown stays unknown: the status does not change, the next question comes soon.
async fn unanswered(
    state: &AppState,
    payment: &Payment,
    error: &ProviderError,
) -> Result<(), PaymentError> {
    metrics::counter!("payments_unanswered_total", "provider" => payment.provider.clone())
        .increment(1);
    tracing::warn!(payment = %payment.id, provider = payment.provider, %error, "provider did not answer");
    let next = next_check(payment.checks, payment.status.is_open(), true, state.now());
    let mut conn = state.stack.db.get().await?;
    transitions::note_check(&mut conn, payment.id, next).await?;
    Ok(())
}
