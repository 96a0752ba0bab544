//! The real gateway over HTTP, in front of small test upstreams. One binary.
#![allow(clippy::unwrap_used)]

mod harness;

mod callers;
mod cors;
mod limits;
mod pages;
mod proxying;
mod q_g1_headers;
mod q_g2_paths;
mod q_g3_framing;
mod q_g4_slow;
mod q_g5_bodies;
mod q_g5_memory;
mod raw_services;
mod resilience;
mod tls;
mod websocket_relay;
mod websockets;
