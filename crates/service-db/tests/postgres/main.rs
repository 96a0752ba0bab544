//! The database crate against a real PostgreSQL.
#![allow(clippy::unwrap_used)]

mod jobs;
mod migrations;
mod support;
mod transactions;
