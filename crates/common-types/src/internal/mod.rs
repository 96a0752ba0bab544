//! Wire structs of the internal HTTP APIs (`/internal/**`, service token, never through the gateway), shared by caller and owner.
//!
//! One file per owning service. Debug of what may hold a secret or a message is masked.

pub mod auth;
pub mod chat;
pub mod integrations;
pub mod portal;
