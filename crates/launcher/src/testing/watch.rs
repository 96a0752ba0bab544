//! Notices a test server that ends while the tests run, so that one cause is told instead of a
//! thousand failures.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::backing::{Backing, postgres, rabbitmq, redis};

/// How often the servers are looked at.
const INTERVAL: Duration = Duration::from_secs(2);
/// How much of a log is shown.
const LINES: usize = 40;

/// A server that ended by itself.
#[derive(Debug, Clone)]
pub(super) struct Ended {
    name: &'static str,
    log: PathBuf,
}

impl Ended {
    /// Which server it was, how its log ends and what the machine has left.
    pub(super) fn last_words(&self) -> String {
        format!(
            "{} ended while the tests ran. The end of its log:\n{}\n{}",
            self.name,
            tail(&self.log),
            machine(&self.log)
        )
    }
}

/// Waits until one of our own servers has ended; for ever when all are somebody else's.
pub(super) async fn until_one_ends(folder: &Path, backing: &Backing) -> Ended {
    loop {
        tokio::time::sleep(INTERVAL).await;
        if ended(folder, backing).is_none() {
            continue;
        }
        // Looked at twice: a pid file may be read while it is written.
        tokio::time::sleep(INTERVAL / 4).await;
        if let Some(ended) = ended(folder, backing) {
            return ended;
        }
    }
}

fn ended(folder: &Path, backing: &Backing) -> Option<Ended> {
    let named = |name, log: &str| Ended {
        name,
        log: folder.join(log),
    };
    if backing.postgres.is_some() && postgres::running(&folder.join("pg")).is_none() {
        return Some(named("PostgreSQL", "pg/log"));
    }
    if backing.redis.is_some() && redis::running(&folder.join("redis")).is_none() {
        return Some(named("Redis", "redis/log"));
    }
    if backing.rabbitmq.is_some() && rabbitmq::running(&folder.join("rmq")).is_none() {
        return Some(named("RabbitMQ", "rmq/out"));
    }
    None
}

fn tail(log: &Path) -> String {
    let text = match std::fs::read(log) {
        Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(error) => return format!("(it cannot be read: {error})"),
    };
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(LINES)..].join("\n")
}

/// Free disk and memory: what servers end of when nobody stopped them.
fn machine(beside: &Path) -> String {
    let memory = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let memory = memory
        .lines()
        .find(|line| line.starts_with("MemAvailable"))
        .unwrap_or("MemAvailable: unknown");
    let disk = beside
        .ancestors()
        .find_map(|folder| nix::sys::statvfs::statvfs(folder).ok())
        .map_or_else(
            || "unknown".to_owned(),
            |it| {
                format!(
                    "{} MiB",
                    it.blocks_available() * it.fragment_size() / 1_048_576
                )
            },
        );
    format!("Free disk: {disk}. {memory}.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_words_are_the_end_of_the_log_and_what_is_left_of_the_machine() {
        let folder = std::env::temp_dir().join(format!("tabib-watch-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let log = folder.join("log");
        let lines: Vec<String> = (0..100).map(|number| format!("line {number}.")).collect();
        std::fs::write(&log, lines.join("\n")).unwrap();
        let ended = Ended {
            name: "PostgreSQL",
            log,
        };
        let words = ended.last_words();
        std::fs::remove_dir_all(&folder).unwrap();
        assert!(words.starts_with("PostgreSQL ended"), "{words}");
        assert!(
            words.contains("line 60.") && words.contains("line 99."),
            "{words}"
        );
        assert!(!words.contains("line 59."), "{words}");
        assert!(words.contains(" MiB. MemAvailable"), "{words}");
    }
}
