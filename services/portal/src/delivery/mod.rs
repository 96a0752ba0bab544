//! Messages to patients: permanent keys and new reports. The transaction that decides writes a row without secret; the
//! worker composes the text, unseals what it must and calls integrations with the row's id as idempotency key (decision 24).

mod events;
mod store;
mod text;
mod worker;

pub(crate) use events::NoteOutcome;
pub(crate) use store::{Kind, has_credentials_delivery, queue, sent_channels};
pub(crate) use worker::run;
