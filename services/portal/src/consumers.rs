//! The whole event map on one screen: queue → handler.

use common_types::events::{
    auth::{UserRegistered, UserUpdated},
    integrations::{MessageDelivered, MessageFailed},
    patient_access::{Denied, Granted, Revoked, Viewed},
    payments::{PaymentRefunded, PaymentSettled},
};
use service_events::Consumers;

use crate::{
    delivery::NoteOutcome,
    payment::RecordOnline,
    state::AppState,
    summary::{CopyUser, NoteSummaryAccess},
};

pub(crate) fn register(state: &AppState, consumers: Consumers) -> Consumers {
    consumers
        .on::<PaymentSettled>("payments", RecordOnline(state.clone()))
        .on::<PaymentRefunded>("payments", RecordOnline(state.clone()))
        .on::<UserRegistered>("users", CopyUser)
        .on::<UserUpdated>("users", CopyUser)
        .on::<Granted>("patient-access", NoteSummaryAccess)
        .on::<Denied>("patient-access", NoteSummaryAccess)
        .on::<Viewed>("patient-access", NoteSummaryAccess)
        .on::<Revoked>("patient-access", NoteSummaryAccess)
        .on::<MessageDelivered>("messages", NoteOutcome)
        .on::<MessageFailed>("messages", NoteOutcome)
}
