//! The whole schedule.

use std::time::Duration;

use common_types::events::Event;
use common_types::events::auth::CodeIssued;
use service_events::Worker;

use crate::alert;
use crate::state::AppState;

/// Contexor's beat for expired codes (A18).
const SWEEP_EVERY: Duration = Duration::from_secs(600);
/// How soon the owner of an account hears of it.
const ALERT_EVERY: Duration = Duration::from_secs(5);
/// How often the age of the signing key is looked at.
const ROTATE_EVERY: Duration = Duration::from_secs(600);

pub(crate) fn register(state: &AppState, worker: Worker) -> Worker {
    let swept = state.clone();
    let worker = worker.unheard(&[CodeIssued::NAME]).job(
        "expired-codes-and-sessions",
        SWEEP_EVERY,
        move |_now| {
            let state = swept.clone();
            async move {
                let mut conn = state.stack.db.get().await?;
                crate::sweep(&mut conn, &state).await?;
                Ok(())
            }
        },
    );
    let alerting = state.clone();
    let worker = worker.job("account-alerts", ALERT_EVERY, move |now| {
        let state = alerting.clone();
        async move { alert::send_due(&state, now).await }
    });
    let keys = state.keys.clone();
    worker.job("signing-key-rotation", ROTATE_EVERY, move |_| {
        let keys = keys.clone();
        async move {
            if let Some(kid) = keys.rotate_when_due().await? {
                tracing::info!(kid, "the signing key was replaced");
            }
            Ok(())
        }
    })
}
