//! What runs now, written down beside the data, so that another terminal can ask and stop it and
//! a crash of the launcher leaves nothing unknown behind.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::process::ProcessId;
use crate::services::PortPlan;

/// One running platform.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RunState {
    /// The process that started everything and keeps it running.
    pub launcher: ProcessId,
    pub started_at: DateTime<Utc>,
    pub ports: PortPlan,
    /// True once every process was ready and the demo data loaded.
    pub ready: bool,
    pub processes: BTreeMap<String, ProcessState>,
    /// The port mapper of the private RabbitMQ node, needed to stop it.
    pub epmd_port: Option<u16>,
}

/// One process of the platform.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ProcessState {
    pub id: ProcessId,
    pub port: u16,
    /// How often it was started again after it died.
    pub restarts: u32,
}

impl RunState {
    /// Where the state of a data folder is.
    pub fn path(data: &Path) -> PathBuf {
        data.join("run.json")
    }

    /// The last written state, when there is one.
    pub fn read(data: &Path) -> Option<Self> {
        let text = std::fs::read_to_string(Self::path(data)).ok()?;
        serde_json::from_str(&text).ok()
    }

    /// Writes the state; a reader sees the old or the new one, never half of it.
    pub fn write(&self, data: &Path) -> Result<()> {
        let path = Self::path(data);
        let partial = path.with_extension("json.new");
        std::fs::write(&partial, serde_json::to_vec_pretty(self)?)
            .with_context(|| format!("cannot write {}", partial.display()))?;
        std::fs::rename(&partial, &path)?;
        Ok(())
    }

    /// Forgets the state after everything has stopped.
    pub fn remove(data: &Path) {
        let _ = std::fs::remove_file(Self::path(data));
    }
}

/// The right to run a platform on a data folder; held by one launcher at a time.
pub struct RunLock {
    _file: File,
}

impl RunLock {
    /// Takes the lock; `None` when another launcher holds it. The kernel releases it when its
    /// holder ends, however it ends.
    pub fn take(data: &Path) -> Result<Option<Self>> {
        let path = data.join("run.lock");
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .with_context(|| format!("cannot open {}", path.display()))?;
        match file.try_lock() {
            Ok(()) => {
                file.set_len(0)?;
                file.write_all(&serde_json::to_vec(&ProcessId::current())?)?;
                Ok(Some(Self { _file: file }))
            }
            Err(std::fs::TryLockError::WouldBlock) => Ok(None),
            Err(std::fs::TryLockError::Error(error)) => {
                Err(error).with_context(|| format!("cannot lock {}", path.display()))
            }
        }
    }

    /// The process that took the lock last; it may have ended.
    pub fn holder(data: &Path) -> Option<ProcessId> {
        let text = std::fs::read_to_string(data.join("run.lock")).ok()?;
        serde_json::from_str(&text).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_launcher_per_data_folder() {
        let data = std::env::temp_dir().join(format!("tabib-lock-{}", std::process::id()));
        std::fs::create_dir_all(&data).unwrap();
        let first = RunLock::take(&data).unwrap();
        assert!(first.is_some());
        assert!(RunLock::take(&data).unwrap().is_none());
        assert_eq!(RunLock::holder(&data), Some(ProcessId::current()));
        drop(first);
        assert!(RunLock::take(&data).unwrap().is_some());
        std::fs::remove_dir_all(&data).unwrap();
    }
}
