//! People: found by phone or username, made at their first login.
//!
//! What always holds: phone (E.164) and username are unique and at least one is there; every change of what other
//! services copy raises `version` and emits `auth.user_registered` or `auth.user_updated` in the same transaction.

pub mod dto;
pub mod http;
pub mod internal;
pub mod model;
pub mod service;
pub mod staff;
pub mod store;

pub use model::{Standing, User};
