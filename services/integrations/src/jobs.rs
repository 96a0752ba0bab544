//! The whole schedule.

use std::time::Duration;

use chrono::TimeDelta;
use common_types::events::{
    Event,
    integrations::{CredentialChanged, MessageDelivered, MessageFailed},
};
use service_events::Worker;

use crate::{AppState, ai, log, message, provider, webhook};

pub(crate) fn register(state: &AppState, worker: Worker) -> Worker {
    let queue = state.clone();
    let health = state.clone();
    let calls = state.clone();
    let old = state.clone();
    worker
        .unheard(&[
            MessageDelivered::NAME,
            MessageFailed::NAME,
            CredentialChanged::NAME,
        ])
        .task(move |cancel| message::worker::run(queue, cancel))
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
            "integrations.retention",
            Duration::from_secs(3_600),
            move |now| {
                let state = old.clone();
                async move {
                    let mut conn = state.stack.db.get().await?;
                    log::store::delete_logs(&mut conn, now - TimeDelta::days(30)).await?;
                    webhook::event_store::delete_rejections(&mut conn, now - TimeDelta::hours(24))
                        .await?;
                    Ok(())
                }
            },
        )
}
