//! The schedule of chat.

use std::time::Duration;

use service_events::Worker;

use crate::{AppState, socket, summary};

/// How often used-up and expired tickets are removed.
const SWEEP_TICKETS: Duration = Duration::from_secs(600);
/// How often the store is looked through for broken uploads and files under an older key.
const FILES: Duration = Duration::from_secs(3_600);
/// An upload that was not written to for so long is not going on.
const BROKEN_UPLOAD: Duration = Duration::from_secs(86_400);

pub(crate) fn register(state: &AppState, worker: Worker) -> Worker {
    let (summaries, tickets, files) = (state.clone(), state.stack.db.clone(), state.files.clone());
    worker
        .task(move |cancel| summary::run(summaries, cancel))
        .job("chat-ticket-sweep", SWEEP_TICKETS, move |now| {
            let db = tickets.clone();
            async move { socket::sweep_tickets(&db, now).await }
        })
        .job("chat-files", FILES, move |_| {
            let files = files.clone();
            async move {
                files.sweep(BROKEN_UPLOAD).await?;
                files.reseal().await?;
                Ok(())
            }
        })
}
