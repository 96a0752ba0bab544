//! Parsian's template service (`api.parsianwebco.ir`, providers.md 3a): a whole number as status, no message id.

pub(crate) mod http;

pub use crate::vendor::Faults;
