//! Signing keys: rows with a sealed private part, held in memory by every process.
//!
//! What always holds: the key that signs is published before it signs, and stays published for as long as a token
//! signed with it can live, so that a rotation logs nobody out.

pub mod http;
mod ring;
mod store;

pub use ring::{KeyRing, KeyRingError};
