//! The sandbox of the simulators: a payment without money, with a hosted page, a status API and
//! signed webhooks. Never in production.

mod aftermath;
mod client;
mod wire;

pub use client::{SLUG, Sandbox};
