//! Payments: started here, paid at a provider, settled into the ledger.
//!
//! Always holds: money moves only after the provider was asked and agreed with amount, currency and
//! order of our own row; a payment is settled exactly once, whichever of webhook, callback, browser
//! return or poller comes first; a status never goes back; an unanswered question stays unanswered.

mod cancel;
mod check;
pub mod dto;
mod error;
mod events;
mod guard;
pub(crate) mod http;
mod insert;
mod model;
mod opening;
mod parse;
mod settle;
mod start;
mod store;
mod transitions;
mod velocity;

pub use cancel::cancel;
pub(crate) use check::asked;
pub use check::{check, run_due_checks};
pub use error::PaymentError;
pub(crate) use events::QueueCheck;
pub use events::receive_webhook;
pub(crate) use http::v1::payable;
pub(crate) use http::{check_by_hint, limit_starts, own_organization, to_the_end};
pub(crate) use insert::{insert_log, insert_payment, insert_payments};
pub use model::{Decision, Payment, Purpose, Status, WALLET, decide};
pub(crate) use parse::text as parse_text;
pub(crate) use settle::{book, book_all, complete, complete_all};
pub use start::{Origin, Request, StartPayment, start};
pub(crate) use start::{audit_entry as started_audit, earlier_answer};
pub(crate) use store::find_by_authority;
pub use store::{find_by_reference, find_payment};
pub use transitions::add_hint;
