//! The event map of chat: queue → handler.

use common_types::events::auth::{UserRegistered, UserUpdated};
use service_events::Consumers;

use crate::{AppState, person::CopyPerson};

pub(crate) fn register(state: &AppState, consumers: Consumers) -> Consumers {
    let copy = CopyPerson::new(state.stack.clock.clone());
    consumers
        .on::<UserRegistered>("people", copy.clone())
        .on::<UserUpdated>("people", copy)
}
