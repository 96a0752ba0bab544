//! Audit: who did what to whom, when, from where, with which outcome.
//!
//! [`record`] writes a row in the caller's transaction, **before** data leaves: no row, no data
//! (Q-D2, decision 33). Rows are append-only for the service's role. The [`Sealer`] of the worker
//! chains them within a second; [`verify_chain`] finds every row that was changed, removed or moved.
//!
//! `details` holds ids and reasons, never names, phone numbers, codes or texts.
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod chain;
mod entry;
mod list;
mod schema;
mod sealer;
mod verify;

pub use entry::{ActorKind, AuditEntry, Outcome, record, record_all};
pub use list::{AuditFilter, AuditRecord, MAX_ROWS, list};
pub use sealer::{Sealer, seal_pending};
pub use verify::{ChainReport, Damage, verify_chain};
