//! MeliPayamak's REST service (`rest.payamak-panel.com`, providers.md 2.1): HTTP 200 for everything, a recId beyond 2^53 as
//! text, and a short or negative `Value` as an error.

pub(crate) mod http;

pub use crate::vendor::Faults;
