//! The real server over HTTP, with real PostgreSQL, Redis and RabbitMQ; integrations is played.
#![allow(clippy::unwrap_used)]

mod documents;
mod events;
mod invoices;
mod keys;
mod login;
mod patients;
mod payments;
mod reports;
mod roles;
mod security;
mod support;
mod workflow;
