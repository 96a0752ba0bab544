//! The schedule of payments.

use std::time::Duration;

use common_types::events::{
    Event,
    payments::{
        PaymentFailed, PaymentRefunded, ReconciliationAlarmed, WalletCredited, WalletDebited,
    },
};
use service_events::Worker;
use tokio_util::sync::CancellationToken;

use crate::{AppState, clinic, payment, reconciliation, refund, wallet};

/// Pause between two looks for due questions.
const LOOK: Duration = Duration::from_millis(300);
/// Pause between two looks at a whole day.
const DAILY: Duration = Duration::from_secs(6 * 3_600);
/// Pause between two looks whether copies of invoices are missing from before the subscription.
const BACKFILL: Duration = Duration::from_secs(60);
/// Pause between two looks for wallets below their threshold.
const TOP_UP: Duration = Duration::from_secs(5);

pub(crate) fn register(state: &AppState, worker: Worker) -> Worker {
    let (asking, refunding) = (state.clone(), state.clone());
    let (looking, daily, charging) = (state.clone(), state.clone(), state.clone());
    worker
        // Kept for outgoing webhooks; no service need act on them.
        .unheard(&[
            PaymentFailed::NAME,
            PaymentRefunded::NAME,
            WalletCredited::NAME,
            WalletDebited::NAME,
            ReconciliationAlarmed::NAME,
        ])
        .task(move |cancel| ask_providers(asking, cancel))
        .task(move |cancel| give_back(refunding, cancel))
        .job("payments.top-up", TOP_UP, move |_| {
            let state = charging.clone();
            async move { Ok(wallet::run_due_top_ups(&state).await.map(drop)?) }
        })
        .job("payments.clinic-backfill", BACKFILL, {
            let state = state.clone();
            move |_| {
                let state = state.clone();
                async move {
                    // Portal may start later than we do: that is no failure of ours.
                    match clinic::fill_clinic_lists(&state).await {
                        Ok(0) => {}
                        Ok(read) => {
                            tracing::info!(read, "invoices from before the subscription are copied")
                        }
                        Err(error) => {
                            tracing::warn!(%error, "invoices from before the subscription wait")
                        }
                    }
                    Ok(())
                }
            }
        })
        .job("payments.look", state.look_every, move |_| {
            let state = looking.clone();
            async move { Ok(reconciliation::reconcile_recent(&state).await?) }
        })
        .job("payments.reconcile-day", DAILY, move |_| {
            let state = daily.clone();
            async move { Ok(reconciliation::reconcile_yesterday(&state).await?) }
        })
        .job("payments.forget-keys", DAILY, {
            let state = state.clone();
            move |_| {
                let state = state.clone();
                async move {
                    let mut conn = state.stack.db.get().await?;
                    Ok(service_http::idempotency::sweep(&mut conn)
                        .await
                        .map(drop)?)
                }
            }
        })
}

/// Tells providers to give money back, and asks what became of it; several processes share the work.
async fn give_back(state: AppState, cancel: CancellationToken) {
    while !cancel.is_cancelled() {
        match refund::run_due_refunds(&state).await {
            Ok(0) => {}
            Ok(_) => continue,
            Err(error) => tracing::warn!(%error, "due refunds not brought forward"),
        }
        tokio::select! { () = cancel.cancelled() => {}, () = tokio::time::sleep(LOOK) => {} }
    }
}

/// Asks providers about every payment whose question is due; several processes share the work.
async fn ask_providers(state: AppState, cancel: CancellationToken) {
    while !cancel.is_cancelled() {
        match payment::run_due_checks(&state).await {
            Ok(0) => {}
            Ok(_) => continue,
            Err(error) => tracing::warn!(%error, "due payments not checked"),
        }
        tokio::select! { () = cancel.cancelled() => {}, () = tokio::time::sleep(LOOK) => {} }
    }
}
