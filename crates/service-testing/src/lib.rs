//! What every service's tests need: a database per test, a part of the broker and of Redis per
//! test, a link that can be cut, tokens that services accept, and waiting without sleeping.
//!
//! Reads `DATABASE_URL` (a role that may create databases and roles), `AMQP_URL` and `REDIS_URL`.
//! A dev-dependency only. Everything panics instead of returning errors: a test that cannot be
//! prepared has failed.
#![allow(clippy::unwrap_used)]

mod db;
mod events;
mod proxy;
mod python;
mod servers;
mod service;
mod wait;

pub use common_types::clock::MovableClock;
pub use db::TestDb;
pub use events::{published_events, unsettled_events};
pub use proxy::LinkProxy;
pub use python::{run_vendor_python, vendor_python};
pub use servers::{Prefix, amqp_url, database_url, redis_url};
pub use service::{ServiceSetup, TestService};
pub use wait::{eventually, eventually_stepping};
