//! Wallets: a person's money in an organisation's book.
//!
//! Always holds: the balance is that of the ledger account and never negative; only a settled
//! `wallet_charge` raises it; a spend either takes the whole amount or nothing. Payments that wait for the same wallet are
//! settled together, each as if it had come alone.

pub mod dto;
pub(crate) mod http;
mod lane;
mod pay;
pub(crate) mod pay_http;
mod service;
mod together;
mod top_up;

pub use pay::{PayFromWallet, Render, pay};
pub use service::spend;
pub use together::WalletLanes;
pub use top_up::{TopUp, run_due_top_ups};
