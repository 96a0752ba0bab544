//! The shared vocabulary of Tabib: phone numbers, money, languages, roles, claims, event contracts, the problem body
//! and the wire structs of the internal HTTP APIs.
//!
//! What always holds: this crate does no I/O and knows no framework; values are parsed at the door and trusted inside.

#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod claims;
pub mod clock;
pub mod demo;
pub mod digits;
pub mod events;
pub mod internal;
mod language;
mod money;
pub mod ordering;
mod page;
mod phone;
mod problem;
mod roles;

pub use claims::{AccessClaims, PortalClaims, ServiceClaims};
pub use clock::{Clock, MovableClock, SharedClock, SystemClock};
pub use events::{Envelope, Event};
pub use language::{Language, UnknownLanguage};
pub use money::{Currency, Money, MoneyError, UnknownCurrency};
pub use page::Page;
pub use phone::{PhoneError, PhoneNumber};
pub use problem::Problem;
pub use roles::{ClinicRole, ContentRole, UnknownRole};
