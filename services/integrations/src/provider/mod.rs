//! Providers as people see them: list, detail, health, statistics (I02).

pub(crate) mod admin_http;
mod admin_store;
pub(crate) mod health;
pub(crate) mod http;
pub(crate) mod store;
