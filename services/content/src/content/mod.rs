//! Contents: written or generated, submitted, approved or rejected (C01, C03, C06).
//!
//! What always holds: a content moves draft → review → approved or rejected, and through in_progress while a job writes it; approval
//! makes a version and happens only from review; whoever changes an approved or rejected text reopens it as a draft; the
//! author does not approve where two people could.

mod approve;
mod create;
mod dto;
pub(crate) mod error;
mod generate;
pub(crate) mod http;
pub(crate) mod model;
pub(crate) mod store;
mod update;

pub(crate) use dto::{
    ContentListItem, ContentResponse, CreateContentRequest, GenerateRequest, GenerateResponse,
    RejectRequest, UpdateContentRequest,
};
