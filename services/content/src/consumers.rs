//! The event map of content: queue → handler.

use common_types::events::{
    auth::{MemberChanged, OrganizationChanged, UserRegistered, UserUpdated, WorkspaceChanged},
    integrations::AiUsageRecorded,
};
use service_events::Consumers;

use crate::{AppState, directory::Copy, usage::RecordUsage};

pub(crate) fn register(_: &AppState, consumers: Consumers) -> Consumers {
    consumers
        .on::<UserRegistered>("people", Copy)
        .on::<UserUpdated>("people", Copy)
        .on::<MemberChanged>("people", Copy)
        .on::<OrganizationChanged>("workspaces", Copy)
        .on::<WorkspaceChanged>("workspaces", Copy)
        .on::<AiUsageRecorded>("usage", RecordUsage)
}
