//! The double-entry ledger.
//!
//! Always holds, by constraint and not by care: every transfer has at least two entries and sums
//! to zero per currency; a balance is the sum of its account's entries; nothing is ever changed or
//! deleted; a wallet does not go below zero; a (kind, reference) is booked once.
//!
//! Credits are positive: what others owe us stands below zero, what we owe above it.

mod error;
mod model;
mod service;
mod store;

pub use error::LedgerError;
pub use model::{AccountKey, Leg, TransferKind};
pub use service::{Posting, open_account, post, reverse};
pub use store::{AccountRow, StatementRow, count_entries, find_account, list_entries};
