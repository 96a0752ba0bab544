//! The template registry: a logical key, and what it is called at each provider, per language.
//!
//! An entry without organisation is the platform's and its superusers' to change; an organisation's own entry wins for its
//! messages.

pub(crate) mod http;
mod store;
