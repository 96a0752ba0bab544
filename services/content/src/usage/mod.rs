//! Usage: the log that integrations feeds, the limits that integrations enforces, and what both say together (C04, C05).
//!
//! What always holds: a usage row is written once per event and never changed; a limit belongs to one scope; windows follow
//! from the clock and are not reset by a job (seeds.md 1.9 row 42).

mod dto;
pub(crate) mod error;
mod events;
pub(crate) mod http;
mod limit_store;
mod model;
mod service;
mod store;
mod summary;

pub(crate) use dto::{CreateLimitRequest, LimitResponse, UpdateLimitRequest, UsageLogResponse};
pub(crate) use events::RecordUsage;
pub(crate) use model::describe;
pub(crate) use service::spent_limit;
pub(crate) use summary::UsageSummaryResponse;
