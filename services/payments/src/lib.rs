#![doc = include_str!("../README.md")]
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod booking;
mod busy;
mod chelseru;
pub mod clinic;
mod consumers;
mod definition;
mod demo;
mod jobs;
pub mod ledger;
mod openapi;
pub mod payment;
pub mod payout;
mod person;
pub mod providers;
pub mod reconciliation;
pub mod refund;
mod routes;
mod schema;
mod settings;
mod state;
pub mod wallet;

pub use definition::{MIGRATIONS, Payments};
pub use settings::Settings;
pub use state::AppState;

/// The service's name in events and internal tokens.
pub(crate) const SERVICE: &str = "payments";
