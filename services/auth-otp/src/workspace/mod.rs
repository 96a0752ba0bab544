//! Workspaces of an organisation: where content projects live. Members see them, admins change them.

pub mod dto;
pub mod http;
pub mod service;
pub mod store;
