//! The trail: what happened to each content, in the contract's shape (`/api/ai/audit-logs/`), and every staff action in the platform's
//! chained audit.
//!
//! What always holds: the row is written in the transaction of the action; no text of a content stands in it.

pub(crate) mod http;
mod store;

pub(crate) use store::{ContentAction, Entry, record_action, record_content};
