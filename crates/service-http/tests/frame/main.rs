//! The frame of a service, over real HTTP, PostgreSQL, Redis and RabbitMQ.
#![allow(clippy::unwrap_used)]

mod admin;
mod bodies;
mod callers;
mod errors;
mod fixture;
mod idempotency;
mod lifecycle;
mod limits;
