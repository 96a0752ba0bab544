//! The event map of patient-access: queue → handler.

use common_types::events::{
    auth::{UserRegistered, UserUpdated},
    chat::SummaryCreated,
};
use service_events::Consumers;

use crate::{AppState, patient_data::DropCachedSummary, person::CopyPerson};

pub(crate) fn register(state: &AppState, consumers: Consumers) -> Consumers {
    let copy = CopyPerson::new(state.stack.clock.clone());
    consumers
        .on::<UserRegistered>("people", copy.clone())
        .on::<UserUpdated>("people", copy)
        .on::<SummaryCreated>("summaries", DropCachedSummary::new(state.clone()))
}
