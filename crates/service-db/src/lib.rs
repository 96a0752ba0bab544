//! PostgreSQL for every service: the pool, transactions that survive serialization failures,
//! constraint names, migrations with role grants, and jobs that run in one process at a time.
//!
//! There are no models and no queries of a service here.
#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod crash;
mod error;
mod job;
mod migrate;
mod pool;
mod transaction;

pub use error::{DbError, violated};
pub use job::{AdvisoryLock, advisory_job};
pub use migrate::{
    MigrateError, SHARED_APPEND_ONLY, SHARED_MIGRATIONS, migrate, migrate_with, revert_all,
};
pub use pool::{Conn, Db};
pub use transaction::TransactionBody;
