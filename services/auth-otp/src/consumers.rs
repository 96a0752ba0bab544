//! The whole event map: this service consumes nothing yet; its own rows are the source of what it knows.

use service_events::Consumers;

use crate::state::AppState;

pub(crate) fn register(_state: &AppState, consumers: Consumers) -> Consumers {
    consumers
}
