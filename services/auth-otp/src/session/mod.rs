//! Sessions: one row per refresh family, opened by a login, ended by logout, expiry or reuse.
//!
//! What always holds (Q-A5, Q-A6): only hashes of refresh tokens are stored; the newest generation alone rotates; its
//! parent brings the same successor for ten seconds and ends the family later; an end reaches every verifier by event
//! and by poll.

mod agent;
pub mod http;
pub mod open;
pub mod refresh;
pub mod revocation;
mod store;
pub mod token;

pub use open::{Opened, Opening, SessionKind, open};
pub use refresh::{RefreshError, Refreshed, refresh};
pub(crate) use store::sweep;
