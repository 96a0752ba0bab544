//! Patients in the portal: login with key and password (R03), sessions, lockout (decision 14), portal's own signing keys.

mod dto;
mod error;
pub(crate) mod http;
mod keys;
mod lockout;
mod login;
mod patient;
mod revocations;
mod store;

pub(crate) use error::SessionError;
pub(crate) use keys::KeyRing;
pub(crate) use patient::PatientSession;
pub(crate) use revocations::{identity_source, own_source};
pub(crate) use store::{end_all_of_patient, sweep};
