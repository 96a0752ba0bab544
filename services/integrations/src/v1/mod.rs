//! `/v1`: OpenAI's protocol, so that any client of it works here with a key of ours, under our limits (providers.md 7).
//!
//! What always holds: a key needs the scope `ai.use` and an organisation, whose limits count; every error has OpenAI's shape; a
//! parameter that would change the answer and is not understood is refused by name, never ignored.

pub(crate) mod audio;
pub(crate) mod caller;
pub(crate) mod chat;
mod chunks;
mod dto;
pub(crate) mod error;
pub(crate) mod models;
