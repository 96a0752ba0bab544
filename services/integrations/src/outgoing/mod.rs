//! Webhooks out, as Standard Webhooks 1.0.0 says: an organisation's own endpoints hear what happens in it.
//!
//! What always holds: an event becomes at most one delivery per endpoint, in the transaction that consumes it; what is
//! signed is what is posted; a delivery keeps its id over all its tries; no address inside the network is ever
//! connected to, whatever a name resolves to; nothing of an answer but its status is kept.

pub mod catalogue;
mod client;
mod consume;
pub(crate) mod endpoint_http;
mod endpoint_store;
mod error;
pub mod event_type;
pub(crate) mod event_type_http;
mod event_type_store;
pub mod guard;
pub(crate) mod message_http;
mod message_store;
pub mod model;
mod publish;
mod replay;
mod result;
mod service;
pub(crate) mod store;
mod wanted;
mod words;
pub(crate) mod worker;

pub(crate) use client::Poster;
pub(crate) use consume::register;
