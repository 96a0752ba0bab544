//! The real server over HTTP, with real PostgreSQL and Redis; `integrations` is a recording peer.
#![allow(clippy::unwrap_used)]

mod chelseru;
mod contexor;
mod events;
mod harness;
mod internal;
mod keys;
mod organizations;
mod otp;
mod q_a1;
mod q_a2;
mod q_a4;
mod q_a5;
mod q_a6;
mod roles;
mod sessions;
mod setup;
mod staff;
