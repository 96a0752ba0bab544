//! Processes recognised by id and start time, so that a recycled id is never signalled.

use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};

/// One process of this machine, from its start to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessId {
    /// The id the kernel gave it.
    pub pid: i32,
    /// When it started, in clock ticks since boot (field 22 of `/proc/<pid>/stat`).
    pub start: u64,
}

impl ProcessId {
    /// The process that has this id now.
    pub fn of(pid: u32) -> Option<Self> {
        let pid = i32::try_from(pid).ok()?;
        let (state, start) = stat(pid)?;
        (state != 'Z').then_some(Self { pid, start })
    }

    /// This very process.
    pub fn current() -> Self {
        Self::of(std::process::id()).unwrap_or(Self { pid: 0, start: 0 })
    }

    /// Whether it still runs: same id, same start, not a zombie.
    pub fn alive(self) -> bool {
        stat(self.pid).is_some_and(|(state, start)| start == self.start && state != 'Z')
    }

    /// How long it has been running.
    pub fn age(self) -> Option<Duration> {
        let uptime: f64 = std::fs::read_to_string("/proc/uptime")
            .ok()?
            .split_whitespace()
            .next()?
            .parse()
            .ok()?;
        // USER_HZ is 100 on every Linux that Rust's std supports.
        let started = Duration::from_millis(self.start * 10);
        Duration::try_from_secs_f64(uptime)
            .ok()?
            .checked_sub(started)
    }

    /// Sends a signal to the process alone. Nothing happens when it is gone.
    pub fn signal(self, signal: Signal) {
        if self.alive() {
            let _ = kill(Pid::from_raw(self.pid), signal);
        }
    }

    /// Sends a signal to its whole process group, which it leads.
    pub fn signal_group(self, signal: Signal) {
        if self.alive() && killpg(Pid::from_raw(self.pid), signal).is_err() {
            let _ = kill(Pid::from_raw(self.pid), signal);
        }
    }

    /// Waits until it has ended; false when it still runs after `limit`.
    pub async fn wait_gone(self, limit: Duration) -> bool {
        let deadline = Instant::now() + limit;
        while self.alive() {
            if Instant::now() >= deadline {
                return false;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        true
    }

    /// Asks it to stop, and ends it with SIGKILL when it has not within `grace`.
    pub async fn stop(self, grace: Duration) {
        self.signal_group(Signal::SIGTERM);
        if !self.wait_gone(grace).await {
            self.signal_group(Signal::SIGKILL);
            self.wait_gone(Duration::from_secs(5)).await;
        }
    }
}

/// The name of a running program, from `/proc/<pid>/comm`.
pub fn name_of(pid: i32) -> Option<String> {
    std::fs::read_to_string(format!("/proc/{pid}/comm"))
        .ok()
        .map(|name| name.trim().to_owned())
}

/// State and start time of a process. The name in brackets may hold spaces and brackets itself,
/// so the fields are counted from the last closing bracket.
fn stat(pid: i32) -> Option<(char, u64)> {
    if pid <= 0 {
        return None;
    }
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
    let state = fields.first()?.chars().next()?;
    let start = fields.get(19)?.parse().ok()?;
    Some((state, start))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_alive_and_another_start_time_is_not() {
        let me = ProcessId::current();
        assert!(me.alive());
        assert!(
            !ProcessId {
                start: me.start + 1,
                ..me
            }
            .alive()
        );
        assert!(me.age().is_some());
    }

    #[tokio::test]
    async fn a_child_is_stopped_with_its_group() {
        let mut child = tokio::process::Command::new("sleep")
            .arg("600")
            .process_group(0)
            .spawn()
            .unwrap();
        let id = ProcessId::of(child.id().unwrap()).unwrap();
        id.stop(Duration::from_secs(5)).await;
        assert!(!id.alive());
        let _ = child.wait().await;
    }
}
