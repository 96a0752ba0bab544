//! Jobs: generations that were asked for, and the worker that has them written.
//!
//! What always holds: one open job per content; a job is claimed with SKIP LOCKED and a deadline, so a dead worker's job is taken by
//! another; the AI is called outside of any transaction under the job's own stable key, so a repeated call is neither
//! made nor charged twice; every job ends completed or failed, and its content in review or back in draft.

pub(crate) mod http;
mod outcome;
pub(crate) mod store;
mod worker;

pub(crate) use worker::{job_of_key, run};
