//! Wallets: a person's money in an organisation's book.
//!
//! Always holds: the balance is that of the ledger account and never negative; only a settled
//! `wallet_charge` raises it; a spend either takes the whole amount or nothing.

pub mod dto;
pub(crate) mod http;
mod pay;
pub(crate) mod pay_http;
mod service;
mod top_up;

pub use pay::{PayFromWallet, pay};
pub use service::spend;
pub use top_up::{TopUp, run_due_top_ups};
