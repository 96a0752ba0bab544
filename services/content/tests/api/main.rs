//! The content service over HTTP, on real PostgreSQL, Redis and RabbitMQ.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod approval;
mod asking;
mod audit;
mod contents;
mod copies;
mod generation;
mod migrations;
mod permissions;
mod projects;
mod routes;
mod support;
mod usage;
