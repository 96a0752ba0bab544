use chrono::TimeDelta;
use futures_util::StreamExt;
use service_db::crash_point;
use uuid::Uuid;

use super::{
    Refund, RefundError, RefundStatus,
    model::next_check,
    service::{finish, give_up},
    store,
};
use crate::{
    AppState,
    payment::{Payment, asked, find_payment},
    providers::{GivesBack, ProviderError, RefundOrder, RefundReport, RefundState},
};

/// Questions of one round, and how many at the same time.
const ROUND: i64 = 16;
const AT_ONCE: usize = 4;
/// Nobody else asks about a claimed refund for so long; longer than a provider may take twice.
const LEASE: TimeDelta = TimeDelta::seconds(60);

/// Asks providers to give money back, and what became of it, for every refund whose question is
/// due; answers how many. Several processes share the work.
///
/// # Errors
/// When the database does not answer.
pub async fn run_due_refunds(state: &AppState) -> Result<usize, RefundError> {
    let now = state.now();
    let mut conn = state.stack.db.get().await?;
    let due = store::claim_due(&mut conn, (now, now + LEASE), ROUND).await?;
    drop(conn);
    let asked = futures_util::stream::iter(&due).for_each_concurrent(AT_ONCE, |id| async move {
        if let Err(error) = run(state, *id).await {
            tracing::warn!(refund = %id, %error, "refund not brought forward");
        }
    });
    asked.await;
    Ok(due.len())
}

async fn run(state: &AppState, id: Uuid) -> Result<(), RefundError> {
    let mut conn = state.stack.db.get().await?;
    let refund = store::get_refund(&mut conn, id).await?;
    if refund.status != RefundStatus::Processing {
        return Ok(());
    }
    let payment = find_payment(&mut conn, refund.payment_id)
        .await?
        .ok_or(RefundError::UnknownPayment)?;
    drop(conn);
    let provider = state
        .providers
        .get(&refund.provider)
        .ok_or_else(|| anyhow::anyhow!("no provider {}", refund.provider))?;
    let Some(provider) = provider.refunds() else {
        return Err(RefundError::MethodNotPossible("provider"));
    };
    crash_point!("refund.before_provider");
    let word = ask(provider, &refund, &payment).await;
    crash_point!("refund.after_provider");
    apply(state, &refund, word).await?;
    state.stack.outbox.wake();
    Ok(())
}

/// The first time the provider is told to give back; later it is asked first what became of it, and
/// told again only when it knows of nothing.
async fn ask(
    provider: &dyn GivesBack,
    refund: &Refund,
    payment: &Payment,
) -> Result<RefundReport, ProviderError> {
    let order = RefundOrder {
        id: refund.id,
        payment: asked(payment),
        price: refund.price,
        reason: &refund.reason,
    };
    if refund.checks > 0 {
        let known = provider
            .refund_status(order, refund.provider_reference.as_deref())
            .await?;
        if let Some(report) = known {
            return Ok(report);
        }
    }
    provider.refund(order).await
}

async fn apply(
    state: &AppState,
    refund: &Refund,
    word: Result<RefundReport, ProviderError>,
) -> Result<(), RefundError> {
    let now = state.now();
    let next = next_check(refund.checks, now);
    state
        .stack
        .db
        .transaction(async |conn| {
            match &word {
                Ok(report) if report.amount.is_some_and(|said| said != refund.price.amount) => {
                    // Another amount than ours went back: nothing is booked, a person must look.
                    tracing::error!(alarm = "payments.refund_review", refund = %refund.id,
                        said = report.amount, "the provider gave back another amount");
                    store::note_check(conn, refund.id, Some(&report.reference), next).await?;
                }
                Ok(report) => match report.state {
                    RefundState::Done => {
                        finish(conn, refund, Some(&report.reference), now).await?;
                    }
                    RefundState::Pending => {
                        store::note_check(conn, refund.id, Some(&report.reference), next).await?;
                    }
                    RefundState::Failed => fail(conn, refund, "failed at the provider", now).await?,
                },
                Err(ProviderError::Refused(reason)) => fail(conn, refund, reason, now).await?,
                Err(ProviderError::Unknown(reason)) => {
                    tracing::warn!(refund = %refund.id, reason, "the outcome of a refund is unknown");
                    metrics::counter!("payments_refunds_unanswered_total").increment(1);
                    store::note_check(conn, refund.id, None, next).await?;
                }
            }
            Ok::<_, RefundError>(())
        })
        .await
}

async fn fail(
    conn: &mut diesel_async::AsyncPgConnection,
    refund: &Refund,
    reason: &str,
    now: chrono::DateTime<chrono::Utc>,
) -> Result<(), RefundError> {
    if store::mark_failed(conn, refund.id, reason, now)
        .await?
        .is_some()
    {
        give_up(conn, refund, now).await?;
        metrics::counter!("payments_refunds_failed_total").increment(1);
    }
    Ok(())
}
