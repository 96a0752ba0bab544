//! One-time codes: issued, sent while the caller waits, verified once.
//!
//! What always holds (Q-A1, decisions.md 11–12): a code is bound to purpose, phone, binding and its own id; the attempt
//! counter rises in a statement of its own before the comparison; a code is used once; a new code to the same
//! purpose, phone and binding spends the older ones and nothing else; failures are counted per phone and survive a
//! resend.

mod budget;
mod error;
pub mod http;
mod issue;
pub mod model;
mod store;
mod text;
mod verify;

pub use error::CodeError;
pub use issue::{SendCode, SentCode, send};
pub use verify::{Target, Verdict, consume, judge, settle_failure, verify};

pub(crate) use store::sweep;
