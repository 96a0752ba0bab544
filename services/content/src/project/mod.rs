//! Projects: what contents of a workspace belong to (C02).
//!
//! What always holds: a project belongs to one workspace of one organisation; its slug is unique in the workspace.

mod dto;
pub(crate) mod error;
pub(crate) mod http;
mod service;
pub(crate) mod store;

pub(crate) use dto::{CreateProjectRequest, ProjectResponse, UpdateProjectRequest};
pub(crate) use service::create_project;
