//! Keeps processes running: each in its own process group, its output in a log file, started again
//! within a second when it dies, stopped when asked.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::health::{answers_ready, http_client, why_not_ready};
use crate::process::ProcessId;
use crate::state::{ProcessState, RunState};

/// The longest pause before a dead process is started again.
const LONGEST_PAUSE: Duration = Duration::from_millis(800);
/// A process that lived this long has proved itself; the next pause is short again.
const PROVEN: Duration = Duration::from_secs(10);
/// How long a process may take to finish its work after SIGTERM.
const GRACE: Duration = Duration::from_secs(15);
/// A log beyond this size is set aside at the next start.
const LOG_LIMIT: u64 = 20 * 1024 * 1024;

/// What to run.
#[derive(Debug, Clone)]
pub struct ProcessSpec {
    /// `portal`, `portal-worker`, `gateway`, `simulators`.
    pub name: String,
    pub program: PathBuf,
    pub arguments: Vec<String>,
    pub environment: BTreeMap<String, String>,
    /// Variables of our own environment that it must not inherit.
    pub withheld: Vec<String>,
    pub log: PathBuf,
    /// Where it listens; `/health/ready` is there.
    pub port: u16,
}

/// Running processes and the tasks that watch them.
pub struct Supervisor {
    data: PathBuf,
    state: Arc<Mutex<RunState>>,
    watched: Vec<Watched>,
}

struct Watched {
    spec: ProcessSpec,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Supervisor {
    /// A supervisor that writes what runs into `data/run.json`.
    pub fn new(data: PathBuf, state: RunState) -> Result<Self> {
        state.write(&data)?;
        Ok(Self {
            data,
            state: Arc::new(Mutex::new(state)),
            watched: Vec::new(),
        })
    }

    /// Starts a process and watches it from now on.
    pub fn start(&mut self, spec: ProcessSpec) -> Result<()> {
        let child = spawn(&spec)?;
        record(&self.state, &self.data, &spec, &child, 0);
        let (stop, stopped) = watch::channel(false);
        let task = tokio::spawn(watch_over(
            spec.clone(),
            child,
            stopped,
            Arc::clone(&self.state),
            self.data.clone(),
        ));
        self.watched.push(Watched { spec, stop, task });
        Ok(())
    }

    /// A copy of what runs now.
    pub fn state(&self) -> RunState {
        self.state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Marks the platform as ready for everybody who reads the state.
    pub fn mark_ready(&self) -> Result<()> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.ready = true;
        state.write(&self.data)
    }

    /// Waits until `/health/ready` of every process answers 200.
    ///
    /// # Errors
    /// When one keeps dying or is not ready within `limit`; the message holds the end of its log.
    pub async fn wait_ready(&self, limit: Duration, note: impl Fn(&str)) -> Result<()> {
        let client = http_client()?;
        let deadline = Instant::now() + limit;
        let mut waiting: Vec<&ProcessSpec> = self.watched.iter().map(|it| &it.spec).collect();
        loop {
            let mut still = Vec::new();
            for spec in waiting {
                if !answers_ready(&client, spec.port).await {
                    still.push(spec);
                }
            }
            waiting = still;
            let Some(first) = waiting.first() else {
                return Ok(());
            };
            let names: Vec<&str> = waiting.iter().map(|spec| spec.name.as_str()).collect();
            note(&format!("waiting for {}", names.join(", ")));
            let state = self.state();
            let dying = waiting.iter().find(|spec| {
                state
                    .processes
                    .get(&spec.name)
                    .is_some_and(|process| process.restarts >= 5)
            });
            if let Some(spec) = dying {
                bail!(
                    "{} keeps ending at its start.\n{}",
                    spec.name,
                    last_words(spec)
                );
            }
            if Instant::now() >= deadline {
                let reason = why_not_ready(&client, first.port).await;
                bail!(
                    "{} is not ready after {} s: {reason}\n{}",
                    first.name,
                    limit.as_secs(),
                    last_words(first)
                );
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Stops everything: what came last goes first, in three waves (gateway, services and their
    /// workers, simulators), each wave at once.
    pub async fn stop(mut self) {
        let wave = |name: &str| match name {
            "gateway" => 0,
            "simulators" => 2,
            _ => 1,
        };
        let mut waves: BTreeMap<u8, Vec<Watched>> = BTreeMap::new();
        for watched in std::mem::take(&mut self.watched) {
            waves
                .entry(wave(&watched.spec.name))
                .or_default()
                .push(watched);
        }
        for (_, wave) in waves {
            for watched in &wave {
                let _ = watched.stop.send(true);
            }
            for watched in wave {
                let _ = watched.task.await;
            }
        }
    }
}

/// A supervisor that is dropped before its processes were stopped (an interrupted start) no longer
/// restarts them; whoever interrupted it ends them by the written state.
impl Drop for Supervisor {
    fn drop(&mut self) {
        for watched in &self.watched {
            watched.task.abort();
        }
    }
}

/// The end of a process's log.
pub fn last_words(spec: &ProcessSpec) -> String {
    let text = std::fs::read(&spec.log)
        .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
        .unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    format!(
        "The end of {}:\n{}",
        spec.log.display(),
        lines[lines.len().saturating_sub(12)..].join("\n")
    )
}

/// A command with a process's environment, ready to be spawned.
pub fn command(spec: &ProcessSpec) -> Command {
    let mut command = Command::new(&spec.program);
    for name in &spec.withheld {
        command.env_remove(name);
    }
    command
        .args(&spec.arguments)
        .envs(&spec.environment)
        .stdin(Stdio::null())
        .process_group(0);
    command
}

fn spawn(spec: &ProcessSpec) -> Result<Child> {
    let large = std::fs::metadata(&spec.log).is_ok_and(|meta| meta.len() > LOG_LIMIT);
    if large {
        let _ = std::fs::rename(&spec.log, spec.log.with_extension("log.old"));
    }
    let log = OpenOptions::new()
        .create(true)
        .append(true)
        .open(&spec.log)
        .with_context(|| format!("cannot write the log {}", spec.log.display()))?;
    command(spec)
        .stdout(log.try_clone()?)
        .stderr(log)
        .spawn()
        .with_context(|| format!("cannot start {}", spec.program.display()))
}

fn record(
    state: &Mutex<RunState>,
    data: &std::path::Path,
    spec: &ProcessSpec,
    child: &Child,
    restarts: u32,
) {
    let Some(id) = child.id().and_then(ProcessId::of) else {
        return;
    };
    let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
    state.processes.insert(
        spec.name.clone(),
        ProcessState {
            id,
            port: spec.port,
            restarts,
        },
    );
    if let Err(error) = state.write(data) {
        tracing::warn!(%error, "the list of running processes could not be written");
    }
}

async fn watch_over(
    spec: ProcessSpec,
    mut child: Child,
    mut stop: watch::Receiver<bool>,
    state: Arc<Mutex<RunState>>,
    data: PathBuf,
) {
    let mut restarts = 0;
    let mut quick_deaths = 0;
    loop {
        let started = Instant::now();
        tokio::select! {
            _ = child.wait() => {}
            _ = stop.changed() => {
                end(child).await;
                return;
            }
        }
        quick_deaths = if started.elapsed() >= PROVEN {
            0
        } else {
            quick_deaths + 1
        };
        let pause = LONGEST_PAUSE.min(Duration::from_millis(50 << quick_deaths.min(6)));
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            _ = stop.changed() => return,
        }
        restarts += 1;
        loop {
            match spawn(&spec) {
                Ok(started) => {
                    child = started;
                    record(&state, &data, &spec, &child, restarts);
                    break;
                }
                Err(error) => tracing::error!(process = spec.name, %error, "restart failed"),
            }
            tokio::select! {
                () = tokio::time::sleep(LONGEST_PAUSE) => {}
                _ = stop.changed() => return,
            }
        }
    }
}

/// Stops a child and collects it.
async fn end(mut child: Child) {
    let Some(id) = child.id().and_then(ProcessId::of) else {
        let _ = child.wait().await;
        return;
    };
    id.signal_group(nix::sys::signal::Signal::SIGTERM);
    if tokio::time::timeout(GRACE, child.wait()).await.is_err() {
        id.signal_group(nix::sys::signal::Signal::SIGKILL);
        let _ = child.wait().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::services::PortPlan;

    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("tabib-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        folder
    }

    fn supervisor(data: &std::path::Path) -> Supervisor {
        let state = RunState {
            launcher: ProcessId::current(),
            started_at: chrono::Utc::now(),
            ports: PortPlan::free().unwrap(),
            ready: false,
            processes: BTreeMap::new(),
            epmd_port: None,
        };
        Supervisor::new(data.to_owned(), state).unwrap()
    }

    fn sleeper(data: &std::path::Path) -> ProcessSpec {
        ProcessSpec {
            name: "sleeper".to_owned(),
            program: PathBuf::from("/bin/sleep"),
            arguments: vec!["600".to_owned()],
            environment: BTreeMap::new(),
            withheld: Vec::new(),
            log: data.join("sleeper.log"),
            port: 1,
        }
    }

    #[tokio::test]
    async fn a_killed_process_is_back_within_a_second_and_stop_ends_it() {
        let data = folder("supervisor");
        let mut supervisor = supervisor(&data);
        supervisor.start(sleeper(&data)).unwrap();
        let first = supervisor.state().processes["sleeper"].id;
        first.signal(nix::sys::signal::Signal::SIGKILL);
        let deadline = Instant::now() + Duration::from_secs(1);
        let second = loop {
            let process = supervisor.state().processes["sleeper"].clone();
            if process.id != first {
                assert_eq!(process.restarts, 1);
                break process.id;
            }
            assert!(Instant::now() < deadline, "not restarted within a second");
            tokio::time::sleep(Duration::from_millis(10)).await;
        };
        assert!(second.alive());
        assert_eq!(
            RunState::read(&data).unwrap().processes["sleeper"].id,
            second
        );
        supervisor.stop().await;
        assert!(!second.alive());
        std::fs::remove_dir_all(&data).unwrap();
    }

    #[tokio::test]
    async fn a_process_that_keeps_dying_is_named_with_its_log() {
        let data = folder("dying");
        let mut supervisor = supervisor(&data);
        let spec = ProcessSpec {
            name: "broken".to_owned(),
            program: PathBuf::from("/bin/sh"),
            arguments: vec!["-c".to_owned(), "echo no such setting; exit 1".to_owned()],
            ..sleeper(&data)
        };
        supervisor.start(spec).unwrap();
        let error = supervisor
            .wait_ready(Duration::from_secs(30), |_| {})
            .await
            .unwrap_err()
            .to_string();
        assert!(error.contains("broken keeps ending"), "{error}");
        assert!(error.contains("no such setting"), "{error}");
        supervisor.stop().await;
        std::fs::remove_dir_all(&data).unwrap();
    }
}
