//! Versions: what a content was when it was generated or approved (C01, C03). They are never changed.

pub(crate) mod http;
pub(crate) mod store;
