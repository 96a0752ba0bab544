//! Orange's "SMS Africa & Middle East 2.0" (providers.md 8.5): a bearer token that ends, and `requestError` documents.

pub(crate) mod http;

pub use crate::vendor::Faults;
pub use http::Tokens;
