//! Payouts: what providers owe the clinic arrives in its bank, recorded by an accountant.
//!
//! Always holds: never more than the provider owes; a bank reference is recorded once; nothing is
//! recorded while a difference is open.

pub mod dto;
mod error;
pub(crate) mod http;
mod service;

pub use error::PayoutError;
pub use service::{RecordPayout, record};
