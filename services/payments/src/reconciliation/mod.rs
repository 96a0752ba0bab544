//! Reconciliation: providers, payments and ledger must tell the same story.
//!
//! Always holds: a difference is written down once and stays open until a person resolved it with a
//! reason, or another look proved it gone; a new one raises an alarm (event, metric, log, message);
//! while it is open its payment gives nothing back and the organisation records no payout.

pub mod dto;
mod error;
pub(crate) mod http;
mod record;
mod resolve;
mod run;
mod store;

pub use error::ReconciliationError;
pub use run::{reconcile_books, reconcile_provider, reconcile_recent, reconcile_yesterday};
pub(crate) use store::OVERPAID;
pub use store::{Exception, NewException, blocks_payment, blocks_payouts, raise};
