//! The whole schedule.

use std::time::Duration;

use service_events::Worker;

use crate::state::AppState;
use crate::{code, session};

/// Contexor's beat for expired codes (A18).
const SWEEP_EVERY: Duration = Duration::from_secs(600);

pub(crate) fn register(state: &AppState, worker: Worker) -> Worker {
    let db = state.stack.db.clone();
    worker.job("expired-codes-and-sessions", SWEEP_EVERY, move |now| {
        let db = db.clone();
        async move {
            let mut conn = db.get().await?;
            let codes = code::sweep(&mut conn, now).await?;
            let sessions = session::sweep(&mut conn, now).await?;
            tracing::info!(codes, sessions, "swept");
            Ok(())
        }
    })
}
