//! The double-entry ledger.
//!
//! Always holds, by constraint and not by care: every transfer has at least two entries and sums
//! to zero per currency; a balance is the sum of its account's entries; nothing is ever changed or
//! deleted; a wallet does not go below zero; a (kind, reference) is booked once.
//!
//! Every entry has its line number in its account and the balance after it; both are written under the
//! account's row lock, by the database.
//!
//! Credits are positive: what others owe us stands below zero, what we owe above it.

pub mod books;
pub mod dto;
mod error;
pub(crate) mod http;
pub mod invariants;
mod model;
mod service;
mod store;

pub use error::LedgerError;
use model::WALLET;
pub use model::{AccountClass, AccountKey, Leg, SHARDS, TransferKind};
pub(crate) use service::post_all;
pub use service::{Posting, post, reverse};
pub use store::{AccountRow, StatementRow, find_account, list_entries};
