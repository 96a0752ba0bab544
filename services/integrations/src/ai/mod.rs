//! AI calls: every one passes here, reserved before and settled after (decision 16).
//!
//! What always holds: used and reserved together never pass a limit, however many calls run at once; a failed or lost call
//! gives its reservation back; the same key is neither reserved nor charged twice; prompts and answers are in no log and no
//! event (an answer rests sealed for a day, for a caller that lost it).

mod error;
pub(crate) mod events;
pub(crate) mod http;
mod model;
pub(crate) mod public_http;
mod reserve;
pub(crate) mod service;
pub(crate) mod settle;
mod store;
mod summary;
