//! Patients of a clinic. A patient belongs to one organisation, keeps its six-letter code for life and is hidden, not
//! erased, when deleted: money and reports may hang on it.

mod dto;
mod error;
pub(crate) mod http;
mod service;
mod store;

pub(crate) use dto::PatientResponse;
pub(crate) use error::PatientError;
pub(crate) use store::{
    PatientRow, find_patient, find_patient_by_number, find_patients, get_patient_of_any_state,
};
