//! Webhooks of providers: authenticated here and nowhere else, stored as they came, handed on as ids (decision 17).
//!
//! What always holds: nothing unauthenticated becomes an event; the same event becomes one event however often it is
//! posted; the row and its outbox event commit together; the sender gets its answer before anything is done with it.

mod error;
pub(crate) mod event_http;
pub(crate) mod event_store;
pub(crate) mod http;
pub mod model;
pub(crate) mod receive;
pub(crate) mod store;
