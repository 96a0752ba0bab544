//! Sessions: one row per refresh family, opened by a login, ended by logout, expiry or reuse.
//!
//! What always holds (Q-A5, Q-A6): only hashes of refresh tokens are stored; the newest generation alone rotates; its
//! parent brings the same successor for ten seconds and ends the family later; an end reaches every verifier by event
//! and by poll.

mod agent;
pub mod audit;
pub mod carrier;
mod device;
pub mod http;
pub mod open;
pub mod refresh;
mod reissue;
pub mod revocation;
mod store;
pub mod token;

pub use carrier::Carrier;
pub(crate) use open::Draft;
pub use open::{Opened, OpenedBy, Opening, SessionKind, open_in};
pub use refresh::{RefreshError, Refreshed, refresh};
pub(crate) use reissue::prove;
pub(crate) use revocation::end_others;
pub(crate) use store::{opened_by, prove_phone, proved_phone, sweep};
