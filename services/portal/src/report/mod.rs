//! Reports: uploaded by staff, matched with a paid invoice of the same keys (R08), activated, told to the patient, downloaded
//! by their owner alone. What always holds: an audit row exists before a byte leaves; a foreign report is a missing one.

mod activate;
mod download;
mod dto;
mod error;
pub(crate) mod http;
pub(crate) mod patient_http;
mod published;
mod store;
mod ticket;
mod upload;

pub(crate) use dto::ReportItem;
pub(crate) use published::{Published, published_on};

pub(crate) use store::{ReportRow, list_for_patient};
