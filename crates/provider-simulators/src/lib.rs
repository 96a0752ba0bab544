//! Development stand-ins for the outside world: the inbox where SMS and e-mail land, a sandbox payment provider with a
//! hosted page and signed webhooks, and vendors (Kavenegar, BitPay/Medogram) that answer by their documented protocols.
//!
//! None of this exists in production: [`spawn`] and the binary refuse `environment = production`.
//! Everything that was acknowledged is in a journal file before the answer leaves, so a `kill -9` loses nothing.
#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod bitpay;
pub mod inbox;
mod journal;
pub mod kavenegar;
mod pages;
pub mod sandbox;
mod server;
pub mod settings;

pub use server::{Running, Simulators, routes, spawn};
pub use settings::{Options, WebhookTarget};
