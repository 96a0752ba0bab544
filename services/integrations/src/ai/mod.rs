//! AI calls: every one passes here, reserved before and settled after (decision 16).
//!
//! What always holds: used and reserved together never pass a limit, however many calls run at once; a failed or lost call
//! gives its reservation back; the same key is neither reserved nor charged twice; prompts and answers are in no log and no
//! event (an answer rests sealed for a day, for a caller that lost it); a recording rests nowhere.

pub(crate) mod audio_http;
pub(crate) mod call;
pub(crate) mod error;
pub(crate) mod events;
mod form;
pub(crate) mod http;
pub(crate) mod makers;
mod model;
mod prompts;
pub(crate) mod public_http;
mod pump;
mod reserve;
pub(crate) mod service;
pub(crate) mod settle;
mod store;
pub(crate) mod stream;
mod summary;
pub(crate) mod summary_http;
pub(crate) mod transcribe;
