//! The schedule of chat.

use std::time::Duration;

use service_events::Worker;

use crate::{AppState, socket, summary};

/// How often used-up and expired tickets are removed.
const SWEEP_TICKETS: Duration = Duration::from_secs(600);

pub(crate) fn register(state: &AppState, worker: Worker) -> Worker {
    let (summaries, tickets) = (state.clone(), state.stack.db.clone());
    worker
        .task(move |cancel| summary::run(summaries, cancel))
        .job("chat-ticket-sweep", SWEEP_TICKETS, move |now| {
            let db = tickets.clone();
            async move { socket::sweep_tickets(&db, now).await }
        })
}
