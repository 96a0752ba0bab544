//! The schedule of payments.

use std::time::Duration;

use common_types::events::{Event, payments::PaymentFailed};
use service_events::Worker;
use tokio_util::sync::CancellationToken;

use crate::{AppState, payment};

/// Pause between two looks for due questions.
const LOOK: Duration = Duration::from_millis(300);

pub(crate) fn register(state: &AppState, worker: Worker) -> Worker {
    let state = state.clone();
    worker
        // Kept for outgoing webhooks; no service acts on it yet.
        .unheard(&[PaymentFailed::NAME])
        .task(move |cancel| ask_providers(state, cancel))
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
