//! What a benchmark of services stands on: a folder, a PostgreSQL of its own with `fsync` on, and a Redis.

use std::path::Path;

use anyhow::Result;
use tempfile::TempDir;

use crate::postgres::Postgres;
use crate::process::Process;
use crate::report::Report;

/// Nobody listens there.
const NOWHERE: &str = "redis://127.0.0.1:1/0";

/// Lives as long as the benchmark; all of it is gone with this value.
pub(crate) struct Ground {
    /// Ends before its folder is removed.
    pub(crate) postgres: Postgres,
    /// The address of Redis.
    pub(crate) redis: String,
    _redis: Option<Process>,
    folder: TempDir,
}

impl Ground {
    /// Starts both; a machine without Redis is said in the report.
    pub(crate) async fn start(report: &mut Report) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let postgres = Postgres::start(folder.path()).await?;
        let process = crate::gateway::redis(folder.path()).await?;
        if process.is_none() {
            report.note("no Redis: limits are counted in the process");
        }
        let redis = process.as_ref().map_or_else(
            || NOWHERE.to_owned(),
            |process| format!("redis://{}/0", process.address),
        );
        Ok(Self {
            postgres,
            redis,
            _redis: process,
            folder,
        })
    }

    /// For logs and settings.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }
}
