//! Logging in: by code as Contexor's and django-chelseru's clients do it, by password as CIMEF's staff does.
//!
//! What always holds: a right code is used in the same transaction that opens the session, so one code opens one; known
//! and unknown phones and names cost the same work and get the same answer (Q-A3).

pub mod chelseru;
mod code_login;
pub mod contexor;
mod enter;
mod error;
pub(crate) mod limits;
pub mod reproof;
pub mod staff;
mod store;
pub(crate) mod words;

pub use code_login::{CodeLogin, LoggedIn, log_in};
pub(crate) use enter::open;
pub use enter::{Challenge, Entered, Entry, Known, enter};
pub use error::LoginError;
