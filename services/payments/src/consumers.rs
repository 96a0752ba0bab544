//! The event map of payments: queue → handler.

use common_types::events::{
    auth::{UserRegistered, UserUpdated},
    integrations::WebhookReceived,
    portal::{PaymentAmended, PaymentRecorded, PaymentVoided},
};
use service_events::Consumers;

use crate::{AppState, booking::BookRecorded, payment::QueueCheck, person::CopyPerson};

pub(crate) fn register(state: &AppState, consumers: Consumers) -> Consumers {
    let clock = || state.stack.clock.clone();
    consumers
        // A provider spoke: ask it what it meant.
        .on::<WebhookReceived>("provider-events", QueueCheck(state.clone()))
        // Portal recorded money at the desk: book it, or take it back.
        .on::<PaymentRecorded>("recorded-payments", BookRecorded(clock()))
        .on::<PaymentAmended>("recorded-payments", BookRecorded(clock()))
        .on::<PaymentVoided>("recorded-payments", BookRecorded(clock()))
        // Names and phones for lists.
        .on::<UserRegistered>("users", CopyPerson(clock()))
        .on::<UserUpdated>("users", CopyPerson(clock()))
}
