//! The one door of the platform: checks tokens, counts calls, routes by a table, streams both ways.
//!
//! No database and no business rule lives here. What always holds:
//! * a path that is not canonical is refused, never repaired ([`path`], Q-G2);
//! * identity and forwarding headers come from here alone ([`headers`], Q-G1);
//! * framing is written anew on both sides ([`forward`], Q-G3);
//! * a slow or greedy client costs bounded time and memory ([`upstream::body`], Q-G4, Q-G5);
//! * the token check here is the first one, not the only one ([`auth`], Q-A4).
#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod auth;
pub mod cidr;
pub mod cli;
pub mod door;
pub mod forward;
pub mod handler;
pub mod headers;
pub mod health;
pub mod limits;
pub mod pages;
pub mod path;
pub mod refusal;
pub mod routes;
mod serve;
pub mod server;
pub mod settings;
pub mod tls;
pub mod upstream;
pub mod websocket;
pub mod wire;
