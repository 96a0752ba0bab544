//! Workspaces of an organisation: where content projects live. Members see them, admins change them.

pub mod actions;
pub mod dto;
pub mod http;
mod projects;
pub mod service;
pub mod store;

pub(crate) use projects::KeepProjectCount;
