//! Prompts: templates with `{name}` placeholders (C02).
//!
//! What always holds: a prompt belongs to one organisation; without a workspace all workspaces of the organisation see it.

mod dto;
pub(crate) mod error;
pub(crate) mod http;
pub(crate) mod model;
mod service;
pub(crate) mod store;

pub(crate) use dto::{CreatePromptRequest, PromptResponse, UpdatePromptRequest};
pub(crate) use service::create_prompt;
