#![doc = include_str!("../README.md")]
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod access_request;
mod consumers;
mod definition;
mod grant;
mod jobs;
mod openapi;
mod patient_data;
mod person;
mod routes;
mod schema;
mod settings;
mod soapify;
mod state;

pub use definition::{MIGRATIONS, PatientAccess};
pub use settings::{Adapter, GrantSettings, LimitSettings, Settings, SoapifySettings};
pub use state::AppState;
