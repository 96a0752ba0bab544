//! The chat service over HTTP and WebSocket, on real PostgreSQL, Redis and RabbitMQ.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod attachments;
mod events;
mod messages;
mod rooms;
mod soapify;
mod sockets;
mod summaries;
mod support;
mod tokens;
