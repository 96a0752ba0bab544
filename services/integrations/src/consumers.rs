//! The whole event map: queue → handler.

use common_types::events::content::UsageLimitChanged;
use service_events::Consumers;

use crate::{AppState, ai::events::KeepLimit};

pub(crate) fn register(_: &AppState, consumers: Consumers) -> Consumers {
    consumers.on::<UsageLimitChanged>("usage-limits", KeepLimit)
}
