//! The `tabib` command as a library: it finds or installs the backing services, runs private
//! instances of them, starts every process of the platform and keeps them running, and tells the
//! story of one clinic day through the gateway (`tabib demo`).
//!
//! The binary is a thin layer over this crate, so that the end-to-end tests start the same
//! platform in the same way.
#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod backing;
pub mod checks;
pub mod compile;
pub mod database;
pub mod demo;
pub mod doctor;
pub mod environment;
pub mod health;
pub mod install;
pub mod layout;
pub mod logs;
pub mod platform;
pub mod ports;
pub mod process;
pub mod rules;
pub mod run;
pub mod schema;
pub mod screen;
pub mod secrets;
pub mod services;
pub mod state;
pub mod status;
pub mod supervisor;
pub mod testing;
pub mod ui;
pub mod web;
