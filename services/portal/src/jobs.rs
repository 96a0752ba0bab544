//! The whole schedule on one screen.

use std::time::Duration;

use common_types::events::{
    Event,
    portal::{CredentialsIssued, InvoiceStatusChanged, ReportPublished},
};
use service_events::Worker;

use crate::{delivery, session, state::AppState};

/// Events that nobody has to hear: outgoing webhooks and audit may.
const UNHEARD: &[&str] = &[
    CredentialsIssued::NAME,
    InvoiceStatusChanged::NAME,
    ReportPublished::NAME,
];

pub(crate) fn register(state: &AppState, worker: Worker) -> Worker {
    let (messages, swept, files, sealed) =
        (state.clone(), state.clone(), state.clone(), state.clone());
    worker
        .unheard(UNHEARD)
        .task(move |cancel| delivery::run(messages, cancel))
        .job("portal-sweep", Duration::from_secs(600), move |now| {
            let db = swept.db.clone();
            async move {
                let mut conn = db.get().await?;
                session::sweep(&mut conn, now).await?;
                Ok(())
            }
        })
        .job(
            "portal-broken-uploads",
            Duration::from_secs(3_600),
            move |_| {
                let files = files.files.clone();
                async move {
                    files.sweep(Duration::from_secs(86_400)).await?;
                    Ok(())
                }
            },
        )
        .job("portal-reseal", Duration::from_secs(3_600), move |_| {
            let files = sealed.files.clone();
            async move {
                files.reseal().await?;
                Ok(())
            }
        })
}
