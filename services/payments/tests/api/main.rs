//! The real server over HTTP, with real PostgreSQL, Redis and RabbitMQ, and the simulators as providers;
//! portal is played.
#![allow(clippy::unwrap_used)]

mod bookings;
mod crazyminer;
mod gateway;
mod invoices;
mod ledger;
mod repeats;
mod settlement;
mod support;
mod wallet;
