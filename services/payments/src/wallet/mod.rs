//! Wallets: a person's money in an organisation's book.
//!
//! Always holds: the balance is that of the ledger account and never negative; only a settled
//! `wallet_charge` raises it; a spend either takes the whole amount or nothing.

pub mod dto;
pub(crate) mod http;
mod service;

pub use service::spend;
