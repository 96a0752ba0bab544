//! Faults, and the checkers of what must hold after them (`tabib-lab`).
//!
//! The checkers ask the services' databases as their administrator, in plain SQL, and know nothing of the services'
//! code: a rule that a service enforces wrongly is still found broken here. Each has tests in which planted bad data
//! makes it fail; a checker that cannot fail proves nothing.
#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod databases;
pub mod invariants;
pub mod kill;
pub mod report;

pub use databases::Databases;
pub use invariants::{Violation, check_all};
