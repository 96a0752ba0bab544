//! One-time codes: issued, sent while the caller waits, verified once.
//!
//! What always holds (Q-A1, Q-A2, decisions.md 11–12): a code is bound to purpose, phone, binding and its own id; the
//! attempt counter rises before the comparison, in a statement that commits alone; a code is used once; a new code to
//! the same purpose, phone and binding spends the older ones and nothing else; wrong codes are counted per phone over
//! all purposes and survive a resend; a refused send takes nothing from any budget. The code itself is a keyed function
//! of its row, so that it can be spoken again without being stored.

pub(crate) mod budget;
mod delivery;
mod error;
pub mod http;
mod issue;
pub mod model;
mod store;
mod sweep;
mod text;
mod verify;
mod voice;

pub(crate) use delivery::{NoteDelivered, NoteFailed};
pub use error::CodeError;
pub use issue::{SendCode, SentCode, send, send_for};
pub use verify::{Target, Verdict, consume, judge, settle_failure, settle_failure_of, verify};
pub use voice::speak;

pub(crate) use store::lost_a_race;
pub(crate) use sweep::sweep;
