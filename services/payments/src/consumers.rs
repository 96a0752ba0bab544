//! The event map of payments: queue → handler.

use common_types::events::{
    auth::{UserRegistered, UserUpdated},
    integrations::WebhookReceived,
    portal::{
        InvoiceStatusChanged, PaymentAmended, PaymentRecorded, PaymentVoided, ReportPublished,
    },
};
use service_events::Consumers;

use crate::{
    AppState, booking::BookRecorded, clinic::CopyInvoice, payment::QueueCheck, person::CopyPerson,
};

pub(crate) fn register(state: &AppState, consumers: Consumers) -> Consumers {
    let clock = || state.stack.clock.clone();
    consumers
        // A provider spoke: ask it what it meant.
        .on::<WebhookReceived>("provider-events", QueueCheck(state.clone()))
        // Portal recorded money at the desk: book it, or take it back.
        .on::<PaymentRecorded>("recorded-payments", BookRecorded(clock()))
        .on::<PaymentAmended>("recorded-payments", BookRecorded(clock()))
        .on::<PaymentVoided>("recorded-payments", BookRecorded(clock()))
        // Copies for the clinic's lists, and to notice what was paid twice.
        .on::<InvoiceStatusChanged>("invoices", CopyInvoice(clock()))
        .on::<ReportPublished>("invoices", CopyInvoice(clock()))
        // Names and phones for lists.
        .on::<UserRegistered>("users", CopyPerson(clock()))
        .on::<UserUpdated>("users", CopyPerson(clock()))
}
