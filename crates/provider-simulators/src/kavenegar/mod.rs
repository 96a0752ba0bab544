//! A Kavenegar that behaves as its documentation says (kavenegar.com/rest.html): form or query parameters, never JSON
//! bodies; the HTTP status equals `return.status`; `entries` is an array for messages and an object for the account.
//! Messages that it accepts appear in the development inbox.

mod array;
pub(crate) mod http;
mod rules;
mod store;

pub(crate) use rules::receptor;
pub use store::{Behaviour, Kavenegar, Message};
