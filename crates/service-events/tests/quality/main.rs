//! What the events crate promises, proven against a real database and a real broker.
#![allow(clippy::unwrap_used)]

mod bench;
mod e1_broker_away;
mod e2_relay;
mod e3_dead_letters;
mod e4_idempotence;
mod shared_tables;
