//! The real server over HTTP, with real PostgreSQL, Redis and RabbitMQ; auth-otp and chat are played.
#![allow(clippy::unwrap_used)]

mod cli;
mod data;
mod events;
mod grants;
mod migrations;
mod request;
mod security;
mod support;
mod verify;
