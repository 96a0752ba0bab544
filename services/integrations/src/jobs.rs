//! The whole schedule.

use std::time::Duration;

use chrono::TimeDelta;
use common_types::events::{Event, integrations::CredentialChanged};
use service_events::Worker;

use crate::{AppState, ai, credential, file, log, message, outgoing, provider, reseal, webhook};

pub(crate) fn register(state: &AppState, worker: Worker) -> Worker {
    let queue = state.clone();
    let health = state.clone();
    let webhooks = state.clone();
    let calls = state.clone();
    let old = state.clone();
    let files = state.clone();
    let events = state.clone();
    let keys = state.clone();
    let sealed = state.clone();
    worker
        .unheard(&[CredentialChanged::NAME])
        .task(move |cancel| message::worker::run(queue, cancel))
        .task(move |cancel| outgoing::worker::run(webhooks, cancel))
        .job("integrations.health", Duration::from_secs(300), move |_| {
            let state = health.clone();
            async move { provider::health::check_all(&state).await }
        })
        .job(
            "integrations.ai_reservations",
            Duration::from_secs(30),
            move |_| {
                let state = calls.clone();
                async move { ai::settle::sweep(&state).await }
            },
        )
        .job(
            "integrations.webhook_retries",
            Duration::from_secs(60),
            move |_| {
                let state = events.clone();
                async move { webhook::retry::run_due(&state).await }
            },
        )
        .job(
            "integrations.credential_expiry",
            Duration::from_secs(3_600),
            move |_| {
                let state = keys.clone();
                async move { credential::expiry::warn(&state).await }
            },
        )
        .job(
            "integrations.reseal",
            Duration::from_secs(3_600),
            move |_| {
                let state = sealed.clone();
                async move { reseal::run(&state).await.map(drop) }
            },
        )
        .job("integrations.files", Duration::from_secs(600), move |_| {
            let state = files.clone();
            async move { file::sweep::run(&state).await }
        })
        .job(
            "integrations.retention",
            Duration::from_secs(3_600),
            move |now| {
                let state = old.clone();
                async move {
                    let mut conn = state.stack.db.get().await?;
                    let kept = TimeDelta::days(state.settings.outgoing.retention_days);
                    outgoing::store::delete_old(&mut conn, now - kept).await?;
                    log::partitions::maintain(&mut conn, now).await?;
                    webhook::rejection_store::delete_rejections(
                        &mut conn,
                        now - TimeDelta::hours(24),
                    )
                    .await?;
                    message::worker::forget_inbound(&mut conn, now - TimeDelta::days(30)).await?;
                    Ok(())
                }
            },
        )
}
