//! The schedule of content.

use common_types::events::{
    Event as _,
    content::{ContentApproved, ContentRejected, UsageLimitChanged},
};
use service_events::Worker;

use crate::{AppState, job};

pub(crate) fn register(state: &AppState, worker: Worker) -> Worker {
    let worker = worker.unheard(&[
        ContentApproved::NAME,
        ContentRejected::NAME,
        UsageLimitChanged::NAME,
    ]);
    (0..state.generation.concurrency).fold(worker, |worker, _| {
        let state = state.clone();
        worker.task(move |cancel| job::run(state, cancel))
    })
}
