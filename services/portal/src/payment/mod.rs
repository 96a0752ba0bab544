//! Payments recorded on invoices (decision 18): by staff, or by an online settlement of the payments service. They are voided, never erased;
//! each is told to the ledger by an event.

mod amend;
mod dto;
mod error;
mod events;
pub(crate) mod http;
mod receipt;
mod service;
mod store;
pub(crate) mod summary;

pub(crate) use events::RecordOnline;
pub(crate) use store::newest_coverage;
