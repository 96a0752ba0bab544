//! Payments: started here, paid at a provider, settled into the ledger.
//!
//! Always holds: money moves only after the provider was asked and agreed with amount, currency and
//! order of our own row; a payment is settled exactly once, whichever of webhook, callback, browser
//! return or poller comes first; a status never goes back; an unanswered question stays unanswered.

mod check;
pub mod dto;
mod error;
mod events;
pub(crate) mod http;
mod model;
mod parse;
mod settle;
mod start;
mod store;
mod transitions;

pub use check::{check, run_due_checks};
pub use error::PaymentError;
pub(crate) use events::QueueCheck;
pub(crate) use http::own_organization;
pub use model::{Decision, Payment, Purpose, Status, decide};
pub use start::{StartPayment, start};
pub use store::{find_by_reference, find_payment};
pub use transitions::add_hint;
