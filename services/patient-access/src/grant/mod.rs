//! What a patient allowed: one doctor of one clinic may see this patient's latest summary.
//!
//! What always holds: a grant is found only by the hash of its token together with its doctor and
//! clinic; it ends after 24 hours by the database's clock or at once when revoked, because every
//! read asks the row itself; the token is shown once and kept nowhere.

mod dto;
mod error;
pub(crate) mod http;
mod open;
mod origin;
mod revoke;
mod store;

pub(crate) use dto::*;
pub(crate) use error::GrantError;
pub(crate) use open::{NewGrant, open};
pub(crate) use origin::{ConsentDoctor, Origin, organization_of};
pub(crate) use store::{GrantRow, find_live, lock_live, token_hash, update_viewed};
