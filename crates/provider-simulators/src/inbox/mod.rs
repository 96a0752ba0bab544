//! The development inbox: what would have been an SMS or an e-mail is shown here instead.
//! Bounded to [`CAPACITY`] messages; the oldest leave first.

pub(crate) mod http;
mod store;

pub use store::{Inbox, InboxMessage, NewMessage};

/// Messages kept.
pub const CAPACITY: usize = 2_000;
