//! Benchmarks against peers and limits measured in the same run (`make bench`).
//!
//! A figure is a ratio against a peer on this machine, and CPU time per operation is preferred to throughput: both
//! survive a change of machine. Each benchmark checks its own answers; a fast wrong answer fails the run.
#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod auth;
pub mod gateway;
mod ground;
mod load;
pub mod payments;
mod postgres;
pub mod process;
pub mod report;
pub mod wrk;
