//! The tree that Contexor's own pages call: `/api/v1/…` without a final slash, every answer in the envelope
//! `{success, data}` or `{success: false, error, errors, code, timestamp}` (wire.md 6.1, 6.3, 9.1).
//!
//! A presentation only: what is done is done by `login`, `session`, `user`, `organization`, `member` and `workspace`.
//! `error` is always a text for a person, Persian unless the caller asks for another language. Sessions opened here are
//! `stable`, because these pages never store a new refresh token; lists are plain arrays; a person without any
//! organisation gets a personal one with a workspace at login.

pub mod auth;
mod envelope;
pub mod members;
pub mod organizations;
mod paths;
pub mod people;
pub mod workspaces;

pub(crate) use paths::{V1Document, configure};
