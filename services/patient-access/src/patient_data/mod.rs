//! The latest summary of a patient, shown to a doctor with a live grant (P04).
//!
//! What always holds: the grant is read from its row at every look; the audit row and the
//! `viewed` event commit before anything is shown; what is cached is sealed, an hour old at most,
//! and never outlives its grant or a newer summary.

mod cache;
mod dto;
mod error;
mod events;
pub(crate) mod http;
mod service;
mod store;

pub(crate) use cache::purge_expired;
pub(crate) use dto::*;
pub(crate) use error::PatientDataError;
pub(crate) use events::DropCachedSummary;
