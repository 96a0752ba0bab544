#![doc = include_str!("../README.md")]
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod actor;
mod consumers;
mod content;
mod definition;
mod directory;
mod job;
mod jobs;
mod openapi;
mod pii;
mod project;
mod prompt;
mod roles;
mod routes;
mod schema;
mod seed;
mod settings;
mod state;
mod trail;
mod usage;
mod version;
mod wire;

pub use definition::{ContentService, MIGRATIONS};
pub use settings::{GenerationSettings, Settings, UsageSettings};
pub use state::AppState;
