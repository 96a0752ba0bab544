//! Outgoing messages as rows with states.
//!
//! ```text
//! queued ─┐
//!         ├→ sending → sent → delivered
//! (sync) ─┘      │  ↘ unknown ↗   ↘ failed
//!                └→ refused (synchronous) | queued again | failed (queued)
//! ```
//!
//! What always holds: the same key never makes a second row; the content is sealed while it is needed and wiped in the
//! statement that ends the need; no network call inside a transaction; a message whose outcome is unknown is only sent
//! again where that cannot harm (a code, or a provider that recognises repetitions).

mod deliver;
mod error;
pub(crate) mod http;
mod model;
pub(crate) mod public_http;
mod service;
pub(crate) mod sms_http;
mod store;
mod template;
pub(crate) mod worker;
