//! The service over HTTP, on real PostgreSQL, Redis and RabbitMQ, against the provider simulators.
#![allow(clippy::unwrap_used)]

mod access;
mod ai;
mod credentials;
mod messages;
mod providers;
mod secrets;
mod sms;
mod support;
mod webhooks;
