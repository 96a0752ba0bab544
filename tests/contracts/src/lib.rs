//! The contracts of the replaced systems as data. A file below `cases/` tells one contract as calls and the exact answers
//! that today's clients read; [`replay`] plays them through the gateway of a whole platform. What a file may say is in
//! `cases/README.md`.
//!
//! `tests/ids.rs` asks besides that every contract keeps a test named by its id beside its service.

pub mod case;
pub mod expect;
mod fill;
mod replay;

pub use replay::replay;
