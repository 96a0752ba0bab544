//! Outgoing messages as rows with states.
//!
//! ```text
//! queued ─┐
//!         ├→ sending → sent → delivered
//! (sync) ─┘      │  ↘ unknown ↗   ↘ failed
//!                └→ refused (synchronous) | queued again | failed (queued)      sent, not delivered → queued, next provider
//! ```
//!
//! What always holds: the same key never makes a second row; the content is sealed while it is needed and wiped in the
//! statement that ends the need; no network call inside a transaction; a message whose outcome is unknown is only sent
//! again where that cannot harm (a code, or a provider that recognises repetitions).

mod bulk;
pub(crate) mod bulk_http;
mod callback;
pub(crate) mod callback_http;
mod deliver;
mod error;
pub(crate) mod http;
mod links;
mod list;
pub(crate) mod list_http;
mod mail;
mod model;
mod opt_out;
mod organization;
pub(crate) mod public_http;
mod quiet;
mod receipt;
mod record;
pub(crate) mod refresh;
mod segments;
mod service;
pub(crate) mod settings_http;
pub(crate) mod sms_http;
mod store;
mod template;
mod tries;
pub(crate) mod worker;

pub(crate) use error::MessageError;
pub(crate) use service::accept;
