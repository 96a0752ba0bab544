//! Files that staff upload (I22): typed by their content, sealed at rest, scanned where a scanner is configured, handed out
//! to members of their organisation or under a ticket that works once.
//!
//! What always holds: a row exists only for a file that lies whole in the store; what lies there without a row is noted
//! beforehand and swept; an infected or unscannable upload never gets a row.

mod error;
pub(crate) mod http;
mod model;
mod range;
pub(crate) mod scan;
mod store;
pub(crate) mod sweep;
mod upload;
