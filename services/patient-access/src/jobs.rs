//! The schedule of patient-access.

use std::time::Duration;

use service_events::Worker;

use crate::{AppState, access_request, patient_data};

pub(crate) fn register(state: &AppState, worker: Worker) -> Worker {
    let (expiring, purging) = (state.clone(), state.clone());
    worker
        .job("expire-requests", Duration::from_secs(30), move |_| {
            let state = expiring.clone();
            async move { access_request::expire_overdue(&state).await }
        })
        .job("purge-cache", Duration::from_secs(60), move |_| {
            let state = purging.clone();
            async move { patient_data::purge_expired(&state).await }
        })
}
