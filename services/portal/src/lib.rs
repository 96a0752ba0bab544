#![doc = include_str!("../README.md")]
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod access;
mod clinic;
mod consumers;
mod delivery;
mod exam;
mod invoice;
mod jobs;
mod patient;
mod payment;
mod report;
mod routes;
mod schema;
mod seed;
mod service;
mod session;
pub mod settings;
mod state;
mod stats;
mod summary;
mod web;

pub use service::{MIGRATIONS, Portal};
pub use settings::Settings;
pub use state::AppState;
