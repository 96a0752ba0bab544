//! People, memberships, organisations and workspaces as content knows them: copies kept by events of auth-otp.
//!
//! What always holds: an older event never overwrites a newer copy. Whoever acts before the event arrived is known by the token alone.

mod events;
pub(crate) mod store;

pub(crate) use events::Copy;
pub(crate) use store::Workspace;
