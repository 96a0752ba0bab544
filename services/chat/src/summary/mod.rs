//! Summaries of conversations (H01; `latest_summary` of P04).
//!
//! Asking for one writes a job; the worker makes it with integrations, outside any transaction, and
//! stores the summary together with the event `chat.summary_created`.

mod dto;
pub(crate) mod http;
mod job;
mod service;
pub(crate) mod store;

pub(crate) use dto::{CreateSummaryRequest, SummaryJobResponse, SummaryResponse};
pub(crate) use job::{CALL_TIMEOUT, run};
