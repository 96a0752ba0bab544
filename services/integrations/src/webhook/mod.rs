//! Webhooks of providers: authenticated here and nowhere else, stored as they came, handed on as ids (decision 17).
//!
//! What always holds: nothing unauthenticated becomes an event; the same event becomes one event however often it is
//! posted; the row and its outbox event commit together; the sender gets its answer before anything is done with it.

pub(crate) mod endpoint_http;
mod error;
pub(crate) mod event_http;
pub(crate) mod event_store;
mod generic;
pub(crate) mod http;
pub mod model;
mod probe;
pub(crate) mod receive;
pub(crate) mod rejection_store;
pub(crate) mod retry;
pub mod scheme;
mod service;
pub(crate) mod store;
mod wanted;
