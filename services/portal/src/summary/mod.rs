//! Who saw a patient's summary: a copy of `patient_access.*` events, shown to the patient whose verified phone it is.

mod events;
pub(crate) mod http;

pub(crate) use events::{CopyUser, NoteSummaryAccess};
