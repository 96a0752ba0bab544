//! Development stand-ins for the outside world: the inbox where SMS and e-mail land, a sandbox payment provider with a
//! hosted page and signed webhooks, a store that speaks S3, and vendors (Kavenegar, BitPay/Medogram …) that answer by their
//! documented protocols.
//!
//! None of this exists in production: [`spawn`] and the binary refuse `environment = production`.
//! Everything that was acknowledged is in a journal file before the answer leaves, so a `kill -9` loses nothing.
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod anthropic;
pub mod bitpay;
pub mod checkout;
pub mod inbox;
mod journal;
pub mod kavenegar;
pub mod melipayamak;
pub mod openai;
pub mod orange;
mod pages;
pub mod parsian;
pub mod s3;
pub mod sandbox;
mod server;
pub mod settings;
pub mod smtp;
mod talkbot;
pub mod twilio;
pub mod vendor;

pub use server::{Running, Simulators, routes, spawn};
pub use settings::{Options, VendorKeys, WebhookTarget};
