//! `tabib run`: everything from a clean checkout to a ready platform, and back to nothing running.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use nix::sys::signal::Signal;
use tokio::signal::unix::{SignalKind, signal};

use crate::backing::{
    Backing, BackingOptions, BackingPasswords, BackingPorts, External, postgres, rabbitmq, redis,
};
use crate::layout::Layout;
use crate::platform::{Options, Platform};
use crate::ports;
use crate::process::ProcessId;
use crate::secrets::Secrets;
use crate::services::PortPlan;
use crate::state::{RunLock, RunState};
use crate::ui::{self, Step};
use crate::{compile, screen, status, web};

/// How long `tabib stop` waits for the launcher to stop everything.
const STOP_LIMIT: Duration = Duration::from_secs(90);

/// What `tabib run` may leave out.
#[derive(Debug, Clone, Copy, Default)]
pub struct RunFlags {
    /// Use the binaries as they are.
    pub no_build: bool,
    /// Leave `web/dist` as it is.
    pub no_web: bool,
}

/// Runs the platform until a signal comes. A second call on the same data shows the status.
pub async fn run(layout: &Layout, flags: RunFlags) -> Result<()> {
    layout.create_data()?;
    let Some(lock) = RunLock::take(&layout.data)? else {
        ui::line("Tabib already runs on this data folder; nothing was started.\n");
        status::show(layout).await?;
        ui::line("\n`tabib stop` stops it.");
        return Ok(());
    };
    ui::line("Starting Tabib\n");
    let mut stop = StopSignal::listen()?;
    let started = tokio::select! {
        started = start(layout, flags) => started,
        name = stop.wait() => Err(anyhow::anyhow!("stopped by {name} during the start")),
    };
    let (platform, backing) = match started {
        Ok(started) => started,
        Err(error) => {
            stop_recorded(layout).await;
            drop(lock);
            return Err(error);
        }
    };
    screen::show(layout, &platform.ports);
    let name = stop.wait().await;
    ui::line(format!("\n{name}: stopping."));
    let step = Step::start("stop");
    step.note("gateway, services, workers, simulators");
    platform.stop().await;
    step.note("RabbitMQ, Redis, PostgreSQL");
    backing.stop().await;
    RunState::remove(&layout.data);
    step.done("everything that was started here has ended; the data stays");
    drop(lock);
    Ok(())
}

async fn start(layout: &Layout, flags: RunFlags) -> Result<(Platform, Backing)> {
    stop_leftovers(layout).await;
    let plan = PortPlan::configured()?;
    let step = Step::start("toolchain");
    let toolchain = compile::check_toolchain(layout).await;
    let toolchain = finish(toolchain, step, Clone::clone)?;
    tracing::debug!(toolchain, "toolchain checked");
    check_ports(&plan)?;

    let step = Step::start("backing services");
    let backing = Backing::start(backing_options(layout)?, &step).await;
    let backing = finish(backing, step, Backing::describe)?;

    match start_on(layout, flags, plan, &backing).await {
        Ok(platform) => Ok((platform, backing)),
        Err(error) => {
            backing.stop().await;
            Err(error)
        }
    }
}

async fn start_on(
    layout: &Layout,
    flags: RunFlags,
    ports: PortPlan,
    backing: &Backing,
) -> Result<Platform> {
    if !flags.no_build {
        let step = Step::start("build");
        let built = compile::build(layout, &step).await;
        finish(built, step, |()| {
            "cargo build --workspace --bins".to_owned()
        })?;
    }
    if !flags.no_web {
        build_web(layout).await;
    }
    Platform::start(&Options {
        layout: layout.clone(),
        ports,
        backing: backing.urls.clone(),
        namespace: "tabib".to_owned(),
        environment: "development".to_owned(),
        epmd_port: backing.rabbitmq.as_ref().map(|node| node.ports.epmd),
        overrides: BTreeMap::new(),
        visible: true,
    })
    .await
}

/// The pages are one part of the platform: when they cannot be built, everything else still runs.
async fn build_web(layout: &Layout) {
    let step = Step::start("web application");
    match web::build(layout, &step).await {
        Ok(web::Outcome::Fresh) => step.done("up to date"),
        Ok(web::Outcome::Built) => step.done("built into web/dist"),
        Ok(web::Outcome::Absent) => step.done("not part of this checkout"),
        Err(error) => {
            step.failed();
            ui::warn(format!(
                "    The pages are not built, the API is not affected: {error:#}"
            ));
        }
    }
}

/// The private servers of `tabib run`, unless addresses of others are given.
pub fn backing_options(layout: &Layout) -> Result<BackingOptions> {
    let mut secrets = Secrets::open(&layout.data.join("secrets.toml"))?;
    Ok(BackingOptions {
        folder: layout.data.clone(),
        ports: BackingPorts::configured()?,
        external: External::from_environment(),
        durable: true,
        passwords: Some(BackingPasswords {
            postgres: secrets.password("postgres")?,
            redis: secrets.password("redis")?,
            amqp: secrets.password("amqp")?,
        }),
    })
}

/// `tabib stop`: asks the launcher to stop everything, or does it when the launcher is gone.
pub async fn stop(layout: &Layout) -> Result<()> {
    let launcher = RunLock::holder(&layout.data).filter(|launcher| launcher.alive());
    if let Some(launcher) = launcher {
        let step = Step::start("stop");
        launcher.signal(Signal::SIGTERM);
        if !launcher.wait_gone(STOP_LIMIT).await {
            step.failed();
            bail!(
                "process {} has not ended within 90 s; its terminal says why",
                launcher.pid
            );
        }
        step.done("everything has ended; the data stays");
        return Ok(());
    }
    if stop_recorded(layout).await {
        ui::line("Stopped what an interrupted run had left behind.");
    } else {
        ui::line("Nothing of Tabib runs on this data folder.");
    }
    Ok(())
}

/// `tabib seed`: loads the demo data into the running platform; what is there already stays.
pub async fn seed(layout: &Layout) -> Result<()> {
    let state = RunState::read(&layout.data)
        .filter(|state| state.launcher.alive())
        .context("Tabib does not run here; start it with `make run` (which loads the demo data)")?;
    let options = backing_options(layout)?;
    let step = Step::start("backing services");
    // They run already, so this only finds their addresses.
    let backing = finish(
        Backing::start(options, &step).await,
        step,
        Backing::describe,
    )?;
    Options {
        layout: layout.clone(),
        ports: state.ports,
        backing: backing.urls,
        namespace: "tabib".to_owned(),
        environment: "development".to_owned(),
        epmd_port: None,
        overrides: BTreeMap::new(),
        visible: true,
    }
    .seed()
    .await
}

/// `tabib web`: builds the pages, or lints and tests them.
pub async fn web(layout: &Layout, test: bool) -> Result<()> {
    layout.create_data()?;
    if test {
        let step = Step::start("web tests");
        let tested = web::test(layout, &step).await;
        finish(tested, step, |_| "lint and tests passed".to_owned())?;
        return Ok(());
    }
    let step = Step::start("web application");
    let built = web::build(layout, &step).await;
    finish(built, step, |outcome| match outcome {
        web::Outcome::Fresh => "up to date".to_owned(),
        web::Outcome::Built => "built into web/dist".to_owned(),
        web::Outcome::Absent => "not part of this checkout".to_owned(),
    })?;
    Ok(())
}

/// `tabib clean-data`: removes the data folder of a platform that does not run.
pub async fn clean_data(layout: &Layout, yes: bool) -> Result<()> {
    if !layout.data.exists() {
        ui::line("There is no data.");
        return Ok(());
    }
    let Some(lock) = RunLock::take(&layout.data)? else {
        bail!("Tabib runs; stop it first with `tabib stop`");
    };
    if !yes {
        ui::line(format!(
            "This removes every database, file, log and secret in {}.\nType `remove` to go on:",
            layout.data.display()
        ));
        let mut answer = String::new();
        std::io::stdin().read_line(&mut answer)?;
        if answer.trim() != "remove" {
            bail!("nothing was removed");
        }
    }
    stop_recorded(layout).await;
    std::fs::remove_dir_all(&layout.data)
        .with_context(|| format!("cannot remove {}", layout.data.display()))?;
    drop(lock);
    ui::line("The data is gone; the next `make run` begins anew.");
    Ok(())
}

/// Ends the processes an interrupted launcher left running; its servers are used again.
async fn stop_leftovers(layout: &Layout) {
    let Some(state) = RunState::read(&layout.data) else {
        return;
    };
    let left = stop_processes(&state).await;
    if left > 0 {
        ui::line(format!(
            "  • ended {left} processes that an interrupted run had left behind"
        ));
    }
    RunState::remove(&layout.data);
}

/// Stops everything that is written down for this data folder: processes, then servers.
async fn stop_recorded(layout: &Layout) -> bool {
    let state = RunState::read(&layout.data);
    let mut stopped = false;
    if let Some(state) = &state {
        stopped |= stop_processes(state).await > 0;
    }
    stopped |= rabbitmq::running(&layout.data.join("rmq")).is_some()
        || redis::running(&layout.data.join("redis")).is_some()
        || postgres::running(&layout.data.join("pg")).is_some();
    let epmd = state
        .and_then(|state| state.epmd_port)
        .or_else(|| BackingPorts::configured().ok().map(|ports| ports.epmd));
    if let Some(epmd) = epmd.filter(|_| layout.data.join("rmq").exists()) {
        rabbitmq::stop_in(&layout.data.join("rmq"), epmd).await;
    }
    redis::stop_in(&layout.data.join("redis")).await;
    postgres::stop_in(&layout.data.join("pg")).await;
    RunState::remove(&layout.data);
    stopped
}

async fn stop_processes(state: &RunState) -> usize {
    let left: Vec<ProcessId> = state
        .processes
        .values()
        .map(|process| process.id)
        .filter(|id| id.alive())
        .collect();
    for id in &left {
        id.signal_group(Signal::SIGTERM);
    }
    for id in &left {
        id.stop(Duration::from_secs(15)).await;
    }
    left.len()
}

/// Every port of the platform must be free before anything starts; all taken ones are named.
fn check_ports(plan: &PortPlan) -> Result<()> {
    let taken: Vec<String> = plan
        .all()
        .iter()
        .filter(|(_, port)| !ports::is_free(*port))
        .map(|(name, port)| ports::taken_message(name, *port))
        .collect();
    if taken.is_empty() {
        Ok(())
    } else {
        bail!("{}", taken.join("\n"))
    }
}

fn finish<T>(result: Result<T>, step: Step, describe: impl Fn(&T) -> String) -> Result<T> {
    match result {
        Ok(value) => {
            step.done(describe(&value));
            Ok(value)
        }
        Err(error) => {
            step.failed();
            Err(error)
        }
    }
}

/// The signals that mean "stop": Ctrl-C, `kill`, a closed terminal.
struct StopSignal {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
    hangup: tokio::signal::unix::Signal,
}

impl StopSignal {
    fn listen() -> Result<Self> {
        let on = |kind| signal(kind).context("cannot listen for signals");
        Ok(Self {
            interrupt: on(SignalKind::interrupt())?,
            terminate: on(SignalKind::terminate())?,
            hangup: on(SignalKind::hangup())?,
        })
    }

    async fn wait(&mut self) -> &'static str {
        tokio::select! {
            _ = self.interrupt.recv() => "Ctrl-C",
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.hangup.recv() => "the terminal was closed",
        }
    }
}
