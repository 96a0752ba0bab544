//! The whole event map: queue → handler.

use common_types::events::{
    content::WorkspaceProjectsCounted,
    integrations::{MessageDelivered, MessageFailed},
};
use service_events::Consumers;

use crate::code::{NoteDelivered, NoteFailed};
use crate::state::AppState;
use crate::workspace::KeepProjectCount;

pub(crate) fn register(_state: &AppState, consumers: Consumers) -> Consumers {
    consumers
        .on::<MessageDelivered>("code-delivered", NoteDelivered)
        .on::<MessageFailed>("code-failed", NoteFailed)
        .on::<WorkspaceProjectsCounted>("workspace-projects", KeepProjectCount)
}
