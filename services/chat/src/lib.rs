#![doc = include_str!("../README.md")]
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod attachment;
mod consumers;
mod definition;
mod error;
mod jobs;
mod message;
mod openapi;
mod person;
mod room;
mod routes;
mod schema;
mod settings;
mod soapify;
mod socket;
mod state;
mod summary;

pub use definition::{Chat, MIGRATIONS};
pub use settings::{Settings, SocketSettings};
pub use state::AppState;
