//! The whole event map: queue → handler.

use common_types::events::content::UsageLimitChanged;
use service_events::Consumers;

use crate::{AppState, ai::events::KeepLimit, outgoing};

pub(crate) fn register(state: &AppState, consumers: Consumers) -> Consumers {
    let consumers = consumers.on::<UsageLimitChanged>("usage-limits", KeepLimit);
    outgoing::register(state, consumers)
}
