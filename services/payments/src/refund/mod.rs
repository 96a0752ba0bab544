//! Refunds: money of a settled payment that goes back.
//!
//! Always holds: what went back and what is on its way back together never exceed what was paid,
//! whatever runs at the same time; the money is set aside in the ledger before the provider is asked,
//! and either goes or returns; an unanswered provider leaves the refund as it is and is asked again;
//! above the ceiling a second person decides; a payment goes completed → partially_refunded →
//! refunded and never back.

pub mod dto;
mod error;
pub(crate) mod http;
mod model;
mod run;
mod service;
mod store;

pub use error::RefundError;
pub use model::{Method, Refund, RefundStatus};
pub use run::run_due_refunds;
pub use service::{RefundRequest, approve, reject, request};
