//! A doctor asks to see a patient's latest summary, the patient reads them a code, the doctor
//! enters it (P01–P03).
//!
//! What always holds: a code is bound to its doctor and request, so another doctor's request
//! cancels nothing; a number gets no more than the budget allows, by all doctors together; one
//! request makes at most one grant; every step leaves an audit row.

mod dto;
mod error;
pub(crate) mod http;
mod model;
mod request;
mod store;
mod verify;

pub(crate) use dto::*;
pub(crate) use error::AccessRequestError;
pub(crate) use verify::expire_overdue;
